//! Tables of the screen: columns of fixed widths, so that they keep their places from frame to
//! frame.

use unicode_width::UnicodeWidthStr as _;

use super::Row;
use crate::output::format::{table::Align, tone::Tone, width};

/// One column.
#[derive(Clone, Debug)]
struct Column {
    header: String,
    width: usize,
    align: Align,
}

/// The columns of a table, with one space between them.
#[derive(Clone, Debug, Default)]
pub struct Columns(Vec<Column>);

impl Columns {
    /// Adds a column of numbers.
    pub fn right(&mut self, header: impl Into<String>, width: usize) -> &mut Self {
        self.add(header, width, Align::Right)
    }

    /// Adds a column of words.
    pub fn left(&mut self, header: impl Into<String>, width: usize) -> &mut Self {
        self.add(header, width, Align::Left)
    }

    /// Adds the last column, whose cells are neither cut nor padded.
    pub fn last(&mut self, header: impl Into<String>) -> &mut Self {
        self.add(header, usize::MAX, Align::Left)
    }

    fn add(&mut self, header: impl Into<String>, width: usize, align: Align) -> &mut Self {
        self.0.push(Column {
            header: header.into(),
            width,
            align,
        });
        self
    }

    /// Returns the headers.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|column| column.header.as_str())
    }

    /// Returns the number of lines of the head.
    pub fn height(&self) -> usize {
        1 + usize::from(self.0.iter().any(|column| column.words().is_some()))
    }

    /// Returns the lines of the head: a header wider than its column has its first word in a line
    /// above. The header in column `marked` is marked.
    pub fn head(&self, marked: Option<usize>) -> Vec<Row> {
        let split = |column: &Column| {
            let (upper, lower) = column.words().unwrap_or(("", &column.header));
            [upper.to_owned(), lower.to_owned()]
        };
        let headers: Vec<[String; 2]> = self.0.iter().map(split).collect();
        let line = |at: usize| {
            let mut row = Row::new();
            for (index, (column, header)) in self.0.iter().zip(&headers).enumerate() {
                let marked = marked == Some(index) && !header[at].is_empty();
                let tone = if marked { Tone::Cursor } else { Tone::Strong };
                if index > 0 {
                    row.push((Tone::Plain, " ".into()));
                }
                row.push((tone, column.place(&header[at])));
            }
            row
        };
        (2 - self.height()..2).map(line).collect()
    }

    /// Returns a line of cells.
    pub fn line<C: AsRef<str>>(&self, cells: impl IntoIterator<Item = C>) -> String {
        let placed: Vec<String> = self
            .0
            .iter()
            .zip(cells)
            .map(|(column, cell)| column.place(cell.as_ref()))
            .collect();
        placed.join(" ")
    }
}

impl Column {
    /// Splits a header that is too wide after its first word; `None` if it fits or is one word.
    fn words(&self) -> Option<(&str, &str)> {
        let words = self.header.split_once(' ');
        words.filter(|_| self.header.width() > self.width)
    }

    fn place(&self, cell: &str) -> String {
        match (self.width, self.align) {
            (usize::MAX, _) => cell.to_owned(),
            (width, Align::Left) => width::left(cell, width),
            (width, Align::Right) => width::right(cell, width),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(rows: Vec<Row>) -> Vec<String> {
        let line = |row: Row| row.into_iter().map(|(_, text)| text).collect::<String>();
        rows.into_iter().map(line).collect()
    }

    #[test]
    fn a_header_wider_than_its_column_stands_in_two_lines() {
        let mut columns = Columns::default();
        columns.right("PID", 5).right("remote touch/s", 7).last("x");
        assert_eq!(
            text(columns.head(None)),
            ["       remote ", "  PID touch/s x"]
        );
        assert_eq!(columns.line(["1", "2.5", "abc"]), "    1     2.5 abc");
    }

    #[test]
    fn short_headers_stand_in_one_line() {
        let mut columns = Columns::default();
        columns.left("process", 8).right("remote/s", 8);
        assert_eq!(text(columns.head(Some(1))), ["process  remote/s"]);
    }
}
