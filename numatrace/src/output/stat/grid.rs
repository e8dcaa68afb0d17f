//! A table in numastat's layout: a label column of 16, data columns of 16 to the right edge, dashes under the headers.

use std::fmt::Write as _;

/// numastat's width of a column, gutter included.
const COLUMN: usize = 16;
/// numastat's least width of a column's content in the compact layout.
const COMPACT: usize = 4;

/// One value: how it reads, and what it is worth when rows are sorted or zeros left out.
#[derive(Clone, Debug)]
pub struct Cell {
    /// As printed.
    pub text: String,
    /// As compared; `None` for what is not known, which sorts last and is not a zero.
    pub value: Option<f64>,
}

impl Cell {
    /// What could not be read.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            text: "-".to_owned(),
            value: None,
        }
    }
}

/// One row of a table.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// What the row is.
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
    /// Header over the labels.
    pub corner: String,
    /// Headers of the data columns.
    pub columns: Vec<String>,
    /// Header over the text at the end of rows.
    pub tail: String,
    /// The rows.
    pub rows: Vec<Row>,
    /// A last row set off by dashes, never sorted or left out.
    pub footer: Option<Row>,
}

/// How a grid is laid out.
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
    /// The text, lines ending in newlines. Folded parts are separated by an empty line and repeat the labels.
    #[must_use]
    pub fn render(&self, layout: Layout) -> String {
        let rows = self.chosen_rows(layout);
        let columns = self.chosen_columns(layout);
        if rows.is_empty() || columns.is_empty() {
            return "Table has no non-zero data.\n".to_owned();
        }
        let label_width = self.label_width(layout);
        let widths: Vec<usize> = columns
            .iter()
            .map(|&column| self.column_width(column, layout))
            .collect();
        let mut out = String::new();
        let mut first = 0;
        loop {
            let mut used = label_width;
            let mut end = first;
            // At least one column goes on a line, however narrow the terminal.
            while let Some(width) = widths.get(end) {
                if end > first && layout.width.is_some_and(|limit| used + width > limit) {
                    break;
                }
                used += width;
                end += 1;
            }
            if first > 0 {
                out.push('\n');
            }
            let part: Vec<(usize, usize)> = columns
                .iter()
                .copied()
                .zip(widths.iter().copied())
                .skip(first)
                .take(end - first)
                .collect();
            first = end;
            let last = first >= columns.len();
            self.part(
                &mut out,
                layout,
                &rows,
                &Part {
                    label_width,
                    columns: &part,
                    last,
                },
            );
            if last {
                return out;
            }
        }
    }

    /// One part: all rows, some columns with their widths.
    fn part(&self, out: &mut String, layout: Layout, rows: &[&Row], part: &Part<'_>) {
        let headers = part.columns.iter().map(|&(column, width)| {
            let header = self.columns.get(column).map_or("", String::as_str);
            format!("{header:>width$}")
        });
        part.line(out, &self.corner, headers, &self.tail);
        let dashes = || {
            part.columns
                .iter()
                .map(|&(_, width)| format!(" {}", "-".repeat(width - 1)))
        };
        let label_dashes = "-".repeat(part.label_width - 1);
        if layout.rules {
            part.line(
                out,
                if self.corner.is_empty() {
                    ""
                } else {
                    &label_dashes
                },
                dashes(),
                "",
            );
        }
        let print = |out: &mut String, row: &Row| {
            let text = |column: usize| row.cells.get(column).map_or("", |cell| cell.text.as_str());
            let cells = part
                .columns
                .iter()
                .map(|&(column, width)| format!("{:>width$}", text(column)));
            part.line(out, &row.label, cells, &row.tail);
        };
        rows.iter().for_each(|row| print(out, row));
        if let Some(footer) = &self.footer {
            part.line(out, &label_dashes, dashes(), "");
            print(out, footer);
        }
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
            .filter(|&column| !layout.nonzero || !all_zero(cells(column)))
            .collect()
    }

    fn label_width(&self, layout: Layout) -> usize {
        let labels = self
            .rows
            .iter()
            .chain(&self.footer)
            .map(|row| row.label.as_str());
        let longest = labels
            .chain([self.corner.as_str()])
            .map(|label| label.chars().count())
            .max()
            .unwrap_or(0);
        // Without a footer numastat's label column is 16 wide and holds the longest of its names; longer ones widen it.
        let least = match (layout.compact, self.footer.is_some()) {
            (true, _) => COMPACT + 1,
            (false, true) => COLUMN + 1,
            (false, false) => COLUMN,
        };
        least.max(longest + 1)
    }

    fn column_width(&self, column: usize, layout: Layout) -> usize {
        let texts = self
            .rows
            .iter()
            .chain(&self.footer)
            .filter_map(|row| row.cells.get(column));
        let header = self
            .columns
            .get(column)
            .map_or(0, |header| header.chars().count());
        let longest = texts
            .map(|cell| cell.text.chars().count())
            .chain([header])
            .max()
            .unwrap_or(0);
        (if layout.compact { COMPACT + 1 } else { COLUMN }).max(longest + 1)
    }
}

/// Some of a table's columns, side by side.
struct Part<'a> {
    label_width: usize,
    /// Positions and widths.
    columns: &'a [(usize, usize)],
    /// Whether texts at the end of rows stand here.
    last: bool,
}

impl Part<'_> {
    fn line(&self, out: &mut String, label: &str, cells: impl Iterator<Item = String>, tail: &str) {
        let width = self.label_width;
        let mut text = format!("{label:<width$}");
        text.extend(cells);
        if self.last && !tail.is_empty() {
            text.push_str("  ");
            text.push_str(tail);
        }
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}", text.trim_end());
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
