//! Breaks sentences into lines.

use textwrap::{Options, WordSplitter};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_begins_with_a_percent_sign() {
        assert_eq!(
            wrap("a share of 12.3 % is large", "", "  ", 16),
            ["a share of", "  12.3 % is", "  large"]
        );
    }
}
