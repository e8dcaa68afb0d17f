//! A page of text under construction: line by line, wrapped to a width, with tones if wanted.

use super::{table::Table, tone::Tone, wrap::wrap};
use crate::model::section::Sections;

/// Form of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextOptions {
    /// Columns of the terminal; `None` is unlimited, for everything that is not a terminal.
    pub width: Option<usize>,
    /// Rows of processes and of threads; the others are summed up in one row. `None` shows all.
    pub rows: Option<usize>,
    /// With ANSI colours.
    pub color: bool,
    /// Sections of a report.
    pub sections: Sections,
}

impl Default for TextOptions {
    /// For a file: unlimited width, no colour; all sections, with twenty rows.
    fn default() -> Self {
        Self {
            width: None,
            rows: Some(20),
            color: false,
            sections: Sections::Full,
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

    /// Adds one line. Callers escape names: a newline in one would begin a new line.
    pub fn line(&mut self, tone: Tone, text: &str) {
        if self.options.color && !text.is_empty() {
            self.out.push_str(&tone.ansi(text));
        } else {
            self.out.push_str(text);
        }
        self.out.push('\n');
    }

    /// Adds an empty line, except at the start of the page.
    pub fn gap(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    /// Begins a section with a gap and its title.
    pub fn section(&mut self, title: &str) {
        self.gap();
        self.wrapped(Tone::Strong, "", "  ", title);
    }

    /// Adds a paragraph. The first line begins with `first`, the others with `rest`.
    pub fn wrapped(&mut self, tone: Tone, first: &str, rest: &str, text: &str) {
        let Some(width) = self.options.width else {
            return self.line(tone, &format!("{first}{text}"));
        };
        for line in wrap(text, first, rest, width) {
            self.line(tone, &line);
        }
    }

    /// Returns a page of the same form on which nothing is written.
    #[must_use]
    pub fn another(&self) -> Self {
        Self::new(self.options)
    }

    /// Returns whether nothing is written on it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Returns the sections that it is to have.
    #[must_use]
    pub fn sections(&self) -> &Sections {
        &self.options.sections
    }

    /// Returns the columns of a line; `None` is unlimited.
    #[must_use]
    pub fn width(&self) -> Option<usize> {
        self.options.width
    }

    /// Adds one item of a list.
    pub fn item(&mut self, tone: Tone, text: &str) {
        self.wrapped(tone, " - ", "   ", text);
    }

    /// Explains the columns above.
    pub fn legend(&mut self, text: &str) {
        self.wrapped(Tone::Faint, " ", " ", text);
    }

    /// Adds a table, folded to the width.
    pub fn table(&mut self, table: &Table) {
        for (index, block) in table.blocks(self.options.width).iter().enumerate() {
            if index > 0 {
                self.gap();
            }
            self.line(Tone::Strong, &block.header);
            for row in &block.rows {
                self.line(Tone::Plain, row);
            }
        }
    }

    /// Returns the text.
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
            page.item(Tone::Bad, "text");
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
        page.item(Tone::Plain, "a sentence that is longer than thirty columns");
        assert_eq!(
            page.finish(),
            " - a sentence that is longer\n   than thirty columns\n"
        );
    }
}
