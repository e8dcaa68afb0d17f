//! Lines of the screen.

use unicode_width::UnicodeWidthStr as _;

use super::{Part, Row};
use crate::output::format::{tone::Tone, width};

/// Cuts a line to `width` columns.
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
        out.push((tone, width::shorten(&text, left)));
        break;
    }
    out
}

/// Joins parts of a line, with two spaces between them.
pub fn joined(parts: impl IntoIterator<Item = Part>) -> Row {
    let mut row = Row::new();
    for (tone, text) in parts {
        if !row.is_empty() {
            row.push((Tone::Faint, "  ".into()));
        }
        row.push((tone, text));
    }
    row
}

/// Returns the first row to show of `total`, so that `cursor` is among `height` rows, in their
/// middle if possible.
pub fn first(cursor: usize, height: usize, total: usize) -> usize {
    cursor
        .saturating_sub(height / 2)
        .min(total.saturating_sub(height))
}

/// Draws a share as a bar of `width` columns.
pub fn bar(share: f64, width: usize) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of 0 to 1 of a terminal's width"
    )]
    let full = (share.clamp(0.0, 1.0) * width as f64).round() as usize;
    format!(
        "{}{}",
        "█".repeat(full),
        "░".repeat(width.saturating_sub(full))
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
