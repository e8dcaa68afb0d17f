//! A page of text that grows line by line, wrapped to the width and coloured if asked. The only place that knows of ANSI codes.

use textwrap::{Options, WordSplitter};

use super::TextOptions;
use super::table::Table;

/// The narrowest width that text is wrapped to: below it, words would stand one per line.
const NARROWEST: usize = 24;

/// How a line is to be seen, where colour was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Bold: headings.
    Strong,
    /// Dim: legends.
    Quiet,
    /// Green: all is well.
    Good,
    /// Yellow: look at it.
    Warn,
    /// Red: do not trust, or change something.
    Bad,
}

impl Tone {
    /// The SGR sequence of ECMA-48.
    fn code(self) -> &'static str {
        match self {
            Self::Strong => "\x1b[1m",
            Self::Quiet => "\x1b[2m",
            Self::Good => "\x1b[32m",
            Self::Warn => "\x1b[33m",
            Self::Bad => "\x1b[31m",
        }
    }
}

/// Text under construction.
#[derive(Debug)]
pub struct Page<'a> {
    options: &'a TextOptions,
    out: String,
}

impl<'a> Page<'a> {
    /// An empty page.
    #[must_use]
    pub fn new(options: &'a TextOptions) -> Self {
        Self {
            options,
            out: String::new(),
        }
    }

    /// The width to keep to; `None` is unlimited.
    #[must_use]
    pub fn width(&self) -> Option<usize> {
        self.options.width
    }

    /// One line as it is. Callers escape what is hostile: a newline in it would be a new line.
    pub fn line(&mut self, tone: Option<Tone>, text: &str) {
        match tone.filter(|_| self.options.color && !text.is_empty()) {
            Some(tone) => {
                self.out.push_str(tone.code());
                self.out.push_str(text);
                self.out.push_str("\x1b[0m");
            }
            None => self.out.push_str(text),
        }
        self.out.push('\n');
    }

    /// An empty line, unless the page begins here.
    pub fn gap(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    /// The start of a section: a gap and its title.
    pub fn section(&mut self, title: &str) {
        self.gap();
        self.wrapped(Some(Tone::Strong), "", "  ", title);
    }

    /// A paragraph behind `first`, its further lines behind `rest`.
    pub fn wrapped(&mut self, tone: Option<Tone>, first: &str, rest: &str, text: &str) {
        let Some(width) = self.options.width else {
            return self.line(tone, &format!("{first}{text}"));
        };
        let options = Options::new(width.max(NARROWEST))
            .initial_indent(first)
            .subsequent_indent(rest)
            // Options of commands and names of findings have hyphens, and are to be copied.
            .word_splitter(WordSplitter::NoHyphenation);
        for line in textwrap::wrap(text, options) {
            self.line(tone, &line);
        }
    }

    /// One point of a list.
    pub fn item(&mut self, tone: Option<Tone>, text: &str) {
        self.wrapped(tone, " - ", "   ", text);
    }

    /// What the columns above mean.
    pub fn legend(&mut self, text: &str) {
        self.wrapped(Some(Tone::Quiet), " ", " ", text);
    }

    /// A table, folded to the width.
    pub fn table(&mut self, table: &Table) {
        for (index, block) in table.blocks(self.options.width).iter().enumerate() {
            if index > 0 {
                self.gap();
            }
            for (row, line) in block.iter().enumerate() {
                self.line((row == 0).then_some(Tone::Strong), line);
            }
        }
    }

    /// The text.
    #[must_use]
    pub fn finish(self) -> String {
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colour_no_escape_is_written_and_with_it_each_is_closed() {
        for color in [false, true] {
            let options = TextOptions {
                color,
                ..TextOptions::default()
            };
            let mut page = Page::new(&options);
            page.section("Title");
            page.item(Some(Tone::Bad), "text");
            let text = page.finish();
            assert_eq!(
                text.matches('\x1b').count(),
                if color { 4 } else { 0 },
                "{text:?}"
            );
            assert_eq!(
                text.matches("\x1b[0m").count(),
                if color { 2 } else { 0 },
                "{text:?}"
            );
        }
    }

    #[test]
    fn lines_keep_to_the_width_with_a_hanging_indent() {
        let options = TextOptions {
            width: Some(30),
            ..TextOptions::default()
        };
        let mut page = Page::new(&options);
        page.item(None, "a sentence that is longer than thirty columns");
        assert_eq!(
            page.finish(),
            " - a sentence that is longer\n   than thirty columns\n"
        );
    }
}
