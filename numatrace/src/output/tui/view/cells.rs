//! Text cut and padded to columns of a terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Part, Row};
use crate::{model::Name, output::escape};

/// Text in exactly `width` columns, at the left; what is too long ends in `…`.
pub fn left(text: &str, width: usize) -> String {
    let cut = cut(text, width);
    let pad = width.saturating_sub(cut.width());
    format!("{cut}{:pad$}", "")
}

/// The same at the right.
pub fn right(text: &str, width: usize) -> String {
    let cut = cut(text, width);
    let pad = width.saturating_sub(cut.width());
    format!("{:pad$}{cut}", "")
}

/// Text in at most `width` columns.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let columns = c.width().unwrap_or(0);
        // One column is for the mark.
        if used + columns + 1 > width {
            break;
        }
        used += columns;
        out.push(c);
    }
    if width > 0 {
        out.push('…');
    }
    out
}

/// A line cut to `width` columns.
pub fn fit(row: Row, width: usize) -> Row {
    let mut left = width;
    let mut out = Row::new();
    for (tone, text) in row {
        let columns = text.width();
        if columns <= left {
            left -= columns;
            out.push((tone, text));
            continue;
        }
        out.push((tone, cut(&text, left)));
        break;
    }
    out
}

/// A name as it may stand on a terminal; in quotes where spaces would hide.
pub fn name(name: &Name) -> String {
    let shown = escape::text(name.as_bytes());
    let hides = shown.is_empty()
        || shown.starts_with(char::is_whitespace)
        || shown.ends_with(char::is_whitespace);
    if hides {
        format!("\"{shown}\"")
    } else {
        shown.into_owned()
    }
}

/// Joins parts of a line that may be there, with two spaces between.
pub fn joined(parts: impl IntoIterator<Item = Part>) -> Row {
    let mut row = Row::new();
    for (tone, text) in parts {
        if !row.is_empty() {
            row.push((super::Tone::Faint, "  ".into()));
        }
        row.push((tone, text));
    }
    row
}

/// First row to show of `total`, so that `cursor` is among `height` rows, in their middle where that is possible.
pub fn first(cursor: usize, height: usize, total: usize) -> usize {
    cursor
        .saturating_sub(height / 2)
        .min(total.saturating_sub(height))
}

/// A part of `whole` as a bar of `width` columns.
pub fn bar(part: f64, width: usize) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of 0 to 1 of a terminal's width"
    )]
    let full = (part.clamp(0.0, 1.0) * width as f64).round() as usize;
    format!(
        "{}{}",
        "█".repeat(full),
        "░".repeat(width.saturating_sub(full))
    )
}

/// Sentences broken into lines of `width` columns, the later ones indented.
pub fn wrapped(text: &str, first: &str, rest: &str, width: usize) -> Vec<String> {
    let options = textwrap::Options::new(width.max(8))
        .initial_indent(first)
        .subsequent_indent(rest);
    textwrap::wrap(text, options)
        .into_iter()
        .map(std::borrow::Cow::into_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::output::tui::theme::Tone;

    #[test]
    fn wide_characters_take_their_columns() {
        assert_eq!(left("例例例", 5), "例例…");
        assert_eq!(left("例", 4), "例  ");
        assert_eq!(right("1", 4), "   1");
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn the_cursor_is_always_among_the_rows_shown() {
        for (cursor, height, total) in [(0, 5, 3), (9, 5, 10), (4, 5, 10), (0, 0, 10), (3, 1, 10)] {
            let first = first(cursor, height, total);
            assert!(height == 0 || (first..first + height).contains(&cursor));
        }
    }

    proptest! {
        #[test]
        fn a_line_is_never_wider_than_the_screen(texts: Vec<String>, width in 0_usize..60) {
            let row: Row = texts.into_iter().map(|text| (Tone::Plain, text)).collect();
            let used: usize = fit(row, width).iter().map(|(_, text)| text.width()).sum();
            prop_assert!(used <= width);
        }
    }
}
