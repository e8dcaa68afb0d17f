//! Text cut and padded to columns of a terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Puts text into exactly `width` columns, at the left; text that is too long ends in `…`.
#[must_use]
pub fn left(text: &str, width: usize) -> String {
    let shown = shorten(text, width);
    let pad = width.saturating_sub(shown.width());
    format!("{shown}{:pad$}", "")
}

/// Puts text into exactly `width` columns, at the right.
#[must_use]
pub fn right(text: &str, width: usize) -> String {
    let shown = shorten(text, width);
    let pad = width.saturating_sub(shown.width());
    format!("{:pad$}{shown}", "")
}

/// Cuts text to at most `width` columns; text that is too long ends in `…`.
#[must_use]
pub fn shorten(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out: String = fitting(text.chars(), width).into_iter().collect();
    if width > 0 {
        out.push('…');
    }
    out
}

/// Cuts text to at most `width` columns; text that is too long begins with `…`: the end of a path
/// says more than its beginning.
#[must_use]
pub fn shorten_start(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = fitting(text.chars().rev(), width);
    if width > 0 {
        kept.push('…');
    }
    kept.into_iter().rev().collect()
}

/// Returns the first characters that leave one of `width` columns for the `…`.
fn fitting(chars: impl Iterator<Item = char>, width: usize) -> Vec<char> {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used < width
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_take_their_columns() {
        assert_eq!(left("例例例", 5), "例例…");
        assert_eq!(left("例", 4), "例  ");
        assert_eq!(right("1", 4), "   1");
        assert_eq!(shorten("abc", 0), "");
    }

    #[test]
    fn a_path_loses_its_beginning() {
        assert_eq!(shorten_start("/usr/lib/libfoo.so", 11), "…/libfoo.so");
        assert_eq!(shorten_start("/bin/sh", 11), "/bin/sh");
    }
}
