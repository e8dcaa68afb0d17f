//! Tables that fold: when the columns do not fit side by side, the rest follows below with the key columns repeated, as numastat
//! folds its nodes. Nothing is wrapped inside a cell and nothing is cut.

use comfy_table::{CellAlignment, ContentArrangement, Table as Comfy, presets};
use unicode_width::UnicodeWidthStr as _;

/// Spaces on both sides of a cell.
const PADDING: usize = 2;

/// Columns of cells; the first ones are keys and stand in every block.
#[derive(Debug, Default)]
pub struct Table {
    keys: usize,
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    header: String,
    alignment: CellAlignment,
    cells: Vec<String>,
}

impl Column {
    fn width(&self) -> usize {
        let widest = self
            .cells
            .iter()
            .map(|cell| cell.width())
            .max()
            .unwrap_or(0);
        widest.max(self.header.width()) + PADDING
    }
}

impl Table {
    /// A table whose first `keys` columns name the row.
    #[must_use]
    pub fn new(keys: usize) -> Self {
        Self {
            keys,
            columns: Vec::new(),
        }
    }

    /// Adds a column of numbers.
    pub fn right(&mut self, header: impl Into<String>, cells: Vec<String>) -> &mut Self {
        self.columns.push(Column {
            header: header.into(),
            alignment: CellAlignment::Right,
            cells,
        });
        self
    }

    /// Adds a column of words.
    pub fn left(&mut self, header: impl Into<String>, cells: Vec<String>) -> &mut Self {
        self.columns.push(Column {
            header: header.into(),
            alignment: CellAlignment::Left,
            cells,
        });
        self
    }

    /// True when all columns fit side by side.
    #[must_use]
    pub fn fits(&self, width: Option<usize>) -> bool {
        width.is_none_or(|width| self.columns.iter().map(Column::width).sum::<usize>() <= width)
    }

    /// One block of lines for each stretch of columns that fits into `width`; a block's first line is its header.
    #[must_use]
    pub fn blocks(&self, width: Option<usize>) -> Vec<Vec<String>> {
        let (keys, rest) = self.columns.split_at(self.keys.min(self.columns.len()));
        let room = width.map_or(usize::MAX, |width| {
            width.saturating_sub(keys.iter().map(Column::width).sum())
        });
        let mut blocks = Vec::new();
        let mut rest = rest;
        loop {
            let mut used = 0;
            let fitting = rest.iter().take_while(|column| {
                used += column.width();
                used <= room
            });
            // At least one column, or a narrow terminal would never get past it.
            let fitting = fitting.count().max(1).min(rest.len());
            let (block, later) = rest.split_at(fitting);
            blocks.push(lines(keys.iter().chain(block)));
            rest = later;
            if rest.is_empty() {
                return blocks;
            }
        }
    }
}

/// Lays out columns side by side.
fn lines<'a>(columns: impl Iterator<Item = &'a Column>) -> Vec<String> {
    let columns: Vec<&Column> = columns.collect();
    let mut table = Comfy::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|column| column.header.as_str()));
    let rows = columns
        .iter()
        .map(|column| column.cells.len())
        .max()
        .unwrap_or(0);
    for row in 0..rows {
        table.add_row(
            columns
                .iter()
                .map(|column| column.cells.get(row).map_or("", String::as_str)),
        );
    }
    for (index, column) in columns.iter().enumerate() {
        if let Some(formatted) = table.column_mut(index) {
            formatted.set_cell_alignment(column.alignment);
        }
    }
    table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(1);
        table.left("name", vec!["a".into(), "bb".into()]);
        table.right("one", vec!["1".into(), "10".into()]);
        table.right("two", vec!["2".into(), "20".into()]);
        table
    }

    #[test]
    fn unlimited_width_is_one_block() {
        assert_eq!(
            table().blocks(None),
            [[" name  one  two", " a       1    2", " bb     10   20"]]
        );
    }

    #[test]
    fn columns_that_do_not_fit_follow_below_with_their_keys() {
        let blocks = table().blocks(Some(12));
        assert_eq!(
            blocks,
            [
                [" name  one", " a       1", " bb     10"],
                [" name  two", " a       2", " bb     20"]
            ]
        );
        assert!(!table().fits(Some(12)));
    }

    #[test]
    fn a_terminal_narrower_than_one_column_still_gets_all_of_them() {
        assert_eq!(table().blocks(Some(1)).len(), 2);
    }
}
