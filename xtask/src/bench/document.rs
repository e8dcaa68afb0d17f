//! The document that a run writes: sections of tables, as Markdown.

use std::fmt::Write as _;

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

    /// A paragraph.
    pub fn say(&mut self, paragraph: &str) {
        self.text.push_str(paragraph);
        self.text.push_str("\n\n");
    }

    /// A table; what is missing in a row is left empty.
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

    /// The Markdown.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
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
    fn a_table_has_as_many_cells_in_each_row() {
        let mut section = Section::new("T");
        section.table(&["a", "b"], &[vec!["1|2".into()]]);
        assert_eq!(
            section.text(),
            "## T\n\n| a | b |\n| --- | --- |\n| 1\\|2 |  |\n\n"
        );
    }
}
