//! Tables that fold: columns that do not fit side by side follow below, with the key columns
//! repeated. No cell is wrapped or cut.
//!
//! The report's tables and numastat's layout (`output/stat/grid.rs`) are both made of these.

use unicode_width::UnicodeWidthStr as _;

/// Side of a column at which its cells are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Space around the cells of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spacing {
    /// Columns before each cell.
    pub before: usize,
    /// Columns after each cell.
    pub after: usize,
    /// Least width of a cell.
    pub least: usize,
}

impl Default for Spacing {
    /// One column on each side.
    fn default() -> Self {
        Self {
            before: 1,
            after: 1,
            least: 0,
        }
    }
}

/// One column of cells under a header.
#[derive(Debug)]
pub struct Column {
    /// Header.
    pub header: String,
    /// Cells, one per row.
    pub cells: Vec<String>,
    /// Side at which header and cells are.
    pub align: Align,
    /// Space around the cells.
    pub spacing: Spacing,
}

impl Column {
    /// Width of a cell without the space around it.
    fn cell_width(&self) -> usize {
        let widths = self.cells.iter().map(|cell| cell.width());
        let widest = widths.max().unwrap_or(0);
        widest.max(self.header.width()).max(self.spacing.least)
    }

    fn width(&self) -> usize {
        self.spacing.before + self.cell_width() + self.spacing.after
    }

    fn place(&self, cell: &str) -> String {
        let pad = self.cell_width().saturating_sub(cell.width());
        let (left, right) = match self.align {
            Align::Left => (0, pad),
            Align::Right => (pad, 0),
        };
        let (before, after) = (self.spacing.before + left, self.spacing.after + right);
        format!("{:before$}{cell}{:after$}", "", "")
    }
}

/// Columns of cells. The first columns are keys and stand in every block.
#[derive(Debug, Default)]
pub struct Table {
    keys: usize,
    columns: Vec<Column>,
    tail: Option<Column>,
}

/// A part of a table that fits side by side. Lines have no spaces at their ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The line of headers.
    pub header: String,
    /// Dashes below all columns.
    pub rule: String,
    /// Dashes below all columns but the keys.
    pub rule_of_values: String,
    /// The rows.
    pub rows: Vec<String>,
}

impl Table {
    /// A table whose first `keys` columns identify the row.
    #[must_use]
    pub fn new(keys: usize) -> Self {
        Self {
            keys,
            ..Self::default()
        }
    }

    /// Adds a column of numbers.
    pub fn right(&mut self, header: impl Into<String>, cells: Vec<String>) -> &mut Self {
        self.add(header, cells, Align::Right)
    }

    /// Adds a column of words.
    pub fn left(&mut self, header: impl Into<String>, cells: Vec<String>) -> &mut Self {
        self.add(header, cells, Align::Left)
    }

    fn add(&mut self, header: impl Into<String>, cells: Vec<String>, align: Align) -> &mut Self {
        self.column(Column {
            header: header.into(),
            cells,
            align,
            spacing: Spacing::default(),
        })
    }

    /// Adds a column with its own spacing.
    pub fn column(&mut self, column: Column) -> &mut Self {
        self.columns.push(column);
        self
    }

    /// Sets a column of words that stands at the end of the last block, whatever the width.
    pub fn tail(&mut self, header: impl Into<String>, cells: Vec<String>) {
        self.tail = Some(Column {
            header: header.into(),
            cells,
            align: Align::Left,
            spacing: Spacing {
                before: 2,
                after: 0,
                least: 0,
            },
        });
    }

    /// Folds the table to `width` columns; `None` is unlimited.
    #[must_use]
    pub fn blocks(&self, width: Option<usize>) -> Vec<Block> {
        let (keys, mut rest) = self.columns.split_at(self.keys.min(self.columns.len()));
        let room = width.map_or(usize::MAX, |width| {
            width.saturating_sub(keys.iter().map(Column::width).sum())
        });
        let mut blocks = Vec::new();
        loop {
            let mut used = 0;
            let fitting = rest.iter().take_while(|column| {
                used += column.width();
                used <= room
            });
            // At least one column, or a narrow terminal would never get past it.
            let fitting = fitting.count().max(1).min(rest.len());
            let (values, later) = rest.split_at(fitting);
            let tail = self.tail.as_ref().filter(|_| later.is_empty());
            blocks.push(block(keys, values, tail));
            rest = later;
            if rest.is_empty() {
                return blocks;
            }
        }
    }
}

/// Lays out columns side by side.
fn block(keys: &[Column], values: &[Column], tail: Option<&Column>) -> Block {
    let columns: Vec<&Column> = keys.iter().chain(values).chain(tail).collect();
    let line = |text: &dyn Fn(&Column) -> &str| -> String {
        let cells = columns.iter().map(|column| column.place(text(column)));
        cells.collect::<String>().trim_end().to_owned()
    };
    let rule = |shown: &dyn Fn(usize) -> bool| -> String {
        let dashes = keys.iter().chain(values).enumerate().map(|(at, column)| {
            let dash = if shown(at) { "-" } else { "" };
            column.place(&dash.repeat(column.cell_width()))
        });
        dashes.collect::<String>().trim_end().to_owned()
    };
    let rows = columns.iter().map(|column| column.cells.len()).max();
    Block {
        header: line(&|column| &column.header),
        rule: rule(&|_| true),
        rule_of_values: rule(&|at| at >= keys.len()),
        rows: (0..rows.unwrap_or(0))
            .map(|row| line(&|column| column.cells.get(row).map_or("", String::as_str)))
            .collect(),
    }
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

    fn lines(blocks: Vec<Block>) -> Vec<Vec<String>> {
        let lines = |block: Block| [block.header].into_iter().chain(block.rows).collect();
        blocks.into_iter().map(lines).collect()
    }

    #[test]
    fn unlimited_width_is_one_block() {
        assert_eq!(
            lines(table().blocks(None)),
            [[" name  one  two", " a       1    2", " bb     10   20"]]
        );
    }

    #[test]
    fn columns_that_do_not_fit_follow_below_with_their_keys() {
        assert_eq!(
            lines(table().blocks(Some(12))),
            [
                [" name  one", " a       1", " bb     10"],
                [" name  two", " a       2", " bb     20"]
            ]
        );
    }

    #[test]
    fn a_terminal_narrower_than_one_column_still_gets_all_of_them() {
        assert_eq!(table().blocks(Some(1)).len(), 2);
    }

    #[test]
    fn rules_stand_below_their_columns_and_the_tail_in_the_last_block() {
        let mut table = table();
        table.tail("note", vec!["x".into()]);
        let blocks = table.blocks(Some(12));
        assert_eq!(blocks[0].rule, " ----  ---");
        assert_eq!(blocks[0].rule_of_values, "       ---");
        assert_eq!(blocks[0].header, " name  one");
        assert_eq!(blocks[1].header, " name  two   note");
        assert_eq!(blocks[1].rows, [" a       2   x", " bb     20"]);
    }
}
