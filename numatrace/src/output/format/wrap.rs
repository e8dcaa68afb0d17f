//! Breaks sentences into lines.

use textwrap::{Options, WordSplitter};
use unicode_width::UnicodeWidthStr as _;

/// Narrowest width that text is wrapped to: below it, most lines would have one word.
const NARROWEST: usize = 16;

/// Space at which no line ends.
pub const NO_BREAK: char = '\u{a0}';

/// Breaks a paragraph into lines of `width` columns. The first line begins with `first`, the others
/// with `rest`. No line ends at a [`NO_BREAK`], which becomes a plain space, nor before a `%`.
#[must_use]
pub fn wrap(text: &str, first: &str, rest: &str, width: usize) -> Vec<String> {
    let options = Options::new(width.max(NARROWEST))
        .initial_indent(first)
        .subsequent_indent(rest)
        // Options of commands and ids of findings have hyphens, and people copy them.
        .word_splitter(WordSplitter::NoHyphenation);
    let text = text.replace(" %", &format!("{NO_BREAK}%"));
    textwrap::wrap(&text, options)
        .into_iter()
        .map(|line| line.replace(NO_BREAK, " "))
        .collect()
}

/// Breaks a command into lines that a shell reads as one: a backslash ends each but the last. Words
/// stay whole, so a long one can be wider than `width`.
#[must_use]
pub fn command(line: &str, indent: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut current = indent.to_owned();
    let mut has_words = false;
    for word in words(line) {
        // The last word needs no backslash, but nobody knows which one is the last.
        let needed = current.width() + 1 + word.width() + " \\".len();
        if has_words && needed > width.max(NARROWEST) {
            lines.push(format!("{current} \\"));
            current = format!("{indent}    {word}");
        } else {
            if has_words {
                current.push(' ');
            }
            current.push_str(word);
        }
        has_words = true;
    }
    lines.push(current);
    lines
}

/// Returns the words of a command; spaces in single quotes separate none.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if !quoted => escaped = true,
            '\'' => quoted = !quoted,
            ' ' if !quoted => {
                words.extend(line.get(start..at).filter(|word| !word.is_empty()));
                start = at + 1;
            }
            _ => {}
        }
    }
    words.extend(line.get(start..).filter(|word| !word.is_empty()));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_ends_no_line_inside_a_word() {
        let line = r"numactl --membind=1 '/a b/c' 'it'\''s a b' --size=64M";
        assert_eq!(command(line, "  ", 200), [format!("  {line}")]);
        assert_eq!(
            command(line, "  ", 30),
            [
                r"  numactl --membind=1 \",
                r"      '/a b/c' 'it'\''s a b' \",
                r"      --size=64M"
            ]
        );
    }

    #[test]
    fn no_line_begins_with_a_percent_sign() {
        assert_eq!(
            wrap("a share of 12.3 % is large", "", "  ", 16),
            ["a share of", "  12.3 % is", "  large"]
        );
    }
}
