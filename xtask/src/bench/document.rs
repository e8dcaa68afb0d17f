//! The document that a benchmark writes: sections of tables, as Markdown.

use std::fmt::Write as _;

/// Widest line of the project's texts.
const COLUMNS: usize = 100;

/// A section under construction.
#[derive(Debug, Default)]
pub struct Section {
    text: String,
}

impl Section {
    /// A section with a title.
    #[must_use]
    pub fn new(title: &str) -> Self {
        Self {
            text: format!("## {title}\n\n"),
        }
    }

    /// A paragraph, wrapped.
    pub fn say(&mut self, paragraph: &str) {
        self.text.push_str(&wrapped(paragraph));
        self.text.push_str("\n\n");
    }

    /// Adds a table; missing figures are left empty.
    pub fn table(&mut self, header: &[&str], rows: &[Vec<String>]) {
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let mut line = String::from("|");
            for cell in cells {
                // Writing to a string cannot fail.
                let _ = write!(line, " {} |", cell.replace('|', "\\|"));
            }
            line.push('\n');
            line
        };
        self.text.push_str(&line(&mut header.iter().copied()));
        self.text.push_str(&line(&mut header.iter().map(|_| "---")));
        for row in rows {
            let cells = (0..header.len()).map(|at| row.get(at).map_or("", String::as_str));
            self.text.push_str(&line(&mut cells.into_iter()));
        }
        self.text.push('\n');
    }

    /// Returns the Markdown.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// A paragraph in lines of at most 100 columns, as all Markdown of the project. Breaks at spaces
/// only, also within code spans, where Markdown reads a line's end as a space.
#[must_use]
pub fn wrapped(paragraph: &str) -> String {
    let mut text = String::new();
    let mut column = 0;
    for word in paragraph.split_whitespace() {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > COLUMNS {
            text.push('\n');
            column = 0;
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += width;
    }
    text
}

/// A cell for a figure that may be missing.
#[must_use]
pub fn cell<T: std::fmt::Display>(figure: Option<T>) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_keeps_its_words_in_lines_of_a_hundred_columns() {
        let long = "word ".repeat(50);
        let text = wrapped(&long);
        assert_eq!(text.split_whitespace().count(), 50);
        assert!(text.lines().all(|line| line.len() <= COLUMNS), "{text}");
        assert_eq!(text.lines().count(), 3);
    }

    #[test]
    fn a_table_has_as_many_cells_in_each_row() {
        let mut section = Section::new("T");
        section.table(&["a", "b"], &[vec!["1|2".into()]]);
        assert_eq!(
            section.text(),
            "## T\n\n| a | b |\n| --- | --- |\n| 1\\|2 |  |\n\n"
        );
    }
}
