//! Tables in numastat's layout: a label column of 16, data columns of 16 at their right, dashes
//! under the headers.

use crate::model::number::UNKNOWN;
use crate::model::quantity::float;
use crate::output::format::percent;
use crate::output::format::size;
use crate::output::format::table::{Align, Column, Spacing, Table};

/// Width of a column in numastat, with the space before it.
const COLUMN: usize = 16;
/// Least width of a column's content in numastat's compact layout.
const COMPACT: usize = 4;

/// One value: its text, and the number by which rows are sorted and zeros left out.
#[derive(Clone, Debug)]
pub struct Cell {
    /// As printed.
    pub text: String,
    /// As compared; an unknown value has `None`, sorts last and is not a zero.
    pub value: Option<f64>,
}

impl Cell {
    /// A value that could not be read.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            text: UNKNOWN.to_owned(),
            value: None,
        }
    }

    /// A count, as numastat writes it: without grouping.
    #[must_use]
    pub fn count(count: u64) -> Self {
        Self {
            text: count.to_string(),
            value: Some(float(count)),
        }
    }

    /// A size in KiB, shown as MB.
    #[must_use]
    pub fn mib(kib: f64, decimals: usize) -> Self {
        Self {
            text: size::mib(kib, decimals),
            value: Some(kib),
        }
    }

    /// A share, rounded down.
    #[must_use]
    pub fn share(share: Option<f64>) -> Self {
        Self {
            text: percent::rounded_down(share),
            value: share,
        }
    }
}

/// One row of a table.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Name of the row.
    pub label: String,
    /// One cell per column.
    pub cells: Vec<Cell>,
    /// Text after the last column.
    pub tail: String,
}

impl Row {
    /// A row without text at its end.
    #[must_use]
    pub fn new(label: impl Into<String>, cells: Vec<Cell>) -> Self {
        Self {
            label: label.into(),
            cells,
            tail: String::new(),
        }
    }
}

/// A table: rows of a label and one cell per column.
#[derive(Clone, Debug, Default)]
pub struct Grid {
    /// Header of the labels.
    pub corner: String,
    /// Headers of the data columns. A column without one is left out.
    pub columns: Vec<String>,
    /// Header of the text at the end of rows.
    pub tail: String,
    /// The rows.
    pub rows: Vec<Row>,
    /// A last row below dashes, never sorted or left out.
    pub footer: Option<Row>,
}

/// The layout of a grid.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layout {
    /// Columns as narrow as their content.
    pub compact: bool,
    /// Leave out rows and columns of zeros.
    pub nonzero: bool,
    /// Sort rows by this column, largest first.
    pub sort: Option<usize>,
    /// Fold columns to lines of this many characters; `None` never folds.
    pub width: Option<usize>,
    /// Dashes under the headers.
    pub rules: bool,
}

impl Grid {
    /// Returns the text, lines ending in newlines. Folded parts are separated by an empty line and
    /// repeat the labels.
    #[must_use]
    pub fn render(&self, layout: Layout) -> String {
        let rows = self.chosen_rows(layout);
        let columns = self.chosen_columns(layout);
        if rows.is_empty() || columns.is_empty() {
            return "Table has no non-zero data.\n".to_owned();
        }
        let rows: Vec<&Row> = rows.into_iter().chain(&self.footer).collect();
        let blocks = self.table(&rows, &columns, layout).blocks(layout.width);
        let mut lines: Vec<String> = Vec::new();
        for block in blocks {
            if !lines.is_empty() {
                lines.push(String::new());
            }
            lines.push(block.header);
            if layout.rules {
                let whole = !self.corner.is_empty();
                lines.push(if whole {
                    block.rule.clone()
                } else {
                    block.rule_of_values
                });
            }
            let mut rows = block.rows;
            let footer = self.footer.as_ref().and_then(|_| rows.pop());
            lines.extend(rows);
            if let Some(footer) = footer {
                lines.push(block.rule);
                lines.push(footer);
            }
        }
        lines.push(String::new());
        lines.join("\n")
    }

    /// Returns these rows and columns as a table that folds.
    fn table(&self, rows: &[&Row], columns: &[usize], layout: Layout) -> Table {
        let mut table = Table::new(1);
        // Numastat's column of labels has 16 columns; a total below adds a second space after it.
        let least = match (layout.compact, self.footer.is_some()) {
            (true, _) => COMPACT,
            (false, true) => COLUMN,
            (false, false) => COLUMN - 1,
        };
        table.column(Column {
            header: self.corner.clone(),
            cells: rows.iter().map(|row| row.label.clone()).collect(),
            align: Align::Left,
            spacing: Spacing {
                before: 0,
                after: 1,
                least,
            },
        });
        for &column in columns {
            let text = |row: &&Row| {
                row.cells
                    .get(column)
                    .map_or("", |cell| &cell.text)
                    .to_owned()
            };
            table.column(Column {
                header: self.columns.get(column).cloned().unwrap_or_default(),
                cells: rows.iter().map(text).collect(),
                align: Align::Right,
                spacing: Spacing {
                    before: 1,
                    after: 0,
                    least: if layout.compact { COMPACT } else { COLUMN - 1 },
                },
            });
        }
        if !self.tail.is_empty() || rows.iter().any(|row| !row.tail.is_empty()) {
            let tails = rows.iter().map(|row| row.tail.clone()).collect();
            table.tail(self.tail.clone(), tails);
        }
        table
    }

    fn chosen_rows(&self, layout: Layout) -> Vec<&Row> {
        let mut rows: Vec<_> = self
            .rows
            .iter()
            .filter(|row| !layout.nonzero || !all_zero(row.cells.iter()))
            .collect();
        if let Some(column) = layout.sort {
            let key = |row: &Row| {
                row.cells
                    .get(column)
                    .and_then(|cell| cell.value)
                    .unwrap_or(f64::NEG_INFINITY)
            };
            rows.sort_by(|a, b| key(b).total_cmp(&key(a)));
        }
        rows
    }

    fn chosen_columns(&self, layout: Layout) -> Vec<usize> {
        let cells = |column: usize| {
            self.rows
                .iter()
                .filter_map(move |row| row.cells.get(column))
        };
        (0..self.columns.len())
            .filter(|&column| !self.columns[column].is_empty())
            .filter(|&column| !layout.nonzero || !all_zero(cells(column)))
            .collect()
    }
}

fn all_zero<'a>(mut cells: impl Iterator<Item = &'a Cell>) -> bool {
    cells.all(|cell| cell.value == Some(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        let row = |label: &str, values: [f64; 3]| {
            let cells = values.map(|value| Cell {
                text: format!("{value:.2}"),
                value: Some(value),
            });
            Row::new(label, cells.to_vec())
        };
        Grid {
            columns: ["Node 0", "Node 3", "Total"].map(str::to_owned).to_vec(),
            rows: vec![
                row("Huge", [0.0, 0.0, 0.0]),
                row("Heap", [1.0, 0.0, 1.0]),
                row("Private", [5.5, 0.0, 5.5]),
            ],
            footer: Some(row("Total", [6.5, 0.0, 6.5])),
            ..Grid::default()
        }
    }

    #[test]
    fn the_layout_is_numastats() {
        let text = grid().render(Layout {
            rules: true,
            ..Layout::default()
        });
        let wanted = [
            "                           Node 0          Node 3           Total",
            "                  --------------- --------------- ---------------",
            "Huge                         0.00            0.00            0.00",
            "Heap                         1.00            0.00            1.00",
            "Private                      5.50            0.00            5.50",
            "----------------  --------------- --------------- ---------------",
            "Total                        6.50            0.00            6.50",
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn zeros_go_sorting_is_descending_and_columns_shrink() {
        let layout = Layout {
            compact: true,
            nonzero: true,
            sort: Some(0),
            rules: true,
            width: None,
        };
        let wanted = [
            "         Node 0 Total",
            "         ------ -----",
            "Private    5.50  5.50",
            "Heap       1.00  1.00",
            "-------  ------ -----",
            "Total      6.50  6.50",
        ];
        assert_eq!(grid().render(layout).lines().collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn a_column_without_a_header_is_left_out() {
        let mut grid = grid();
        grid.columns[1] = String::new();
        let text = grid.render(Layout {
            compact: true,
            ..Layout::default()
        });
        let first: Vec<&str> = text.lines().take(2).collect();
        assert_eq!(
            first,
            ["         Node 0 Total", "Huge       0.00  0.00"],
            "{text}"
        );
    }

    #[test]
    fn columns_fold_to_the_width_and_never_vanish() {
        let text = grid().render(Layout {
            width: Some(50),
            rules: true,
            ..Layout::default()
        });
        assert!(
            text.lines().all(|line| line.chars().count() <= 50),
            "{text}"
        );
        assert_eq!(
            text.matches("Heap").count(),
            2,
            "labels are repeated: {text}"
        );
        let text = grid().render(Layout {
            width: Some(1),
            ..Layout::default()
        });
        assert_eq!(text.matches("Heap").count(), 3, "{text}");
    }
}
