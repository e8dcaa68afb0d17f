//! Keys and columns, explained.

use super::{Row, cells, findings::scrolled, plain};
use crate::output::tui::{app::App, column::Column, theme::Tone};

const KEYS: &[(&str, &str)] = &[
    ("1 to 5", "views: processes, nodes, matrix, moves, findings"),
    (
        "j k, arrows",
        "down and up; Page Up and Down, Home and End, g and G",
    ),
    ("Enter", "details of the process under the cursor"),
    ("Esc", "back"),
    ("s S", "sort by the next column; the other way round"),
    ("/", "show only processes with this in their name or number"),
    ("m M, Tab", "matrix: next and previous quantity"),
    (
        "space",
        "hold the screen, or let it go on; counting goes on",
    ),
    ("+ -", "longer and shorter interval"),
    ("r", "record into a file here, and end that"),
    ("q", "end"),
];

const NODES: &str = "nodes: numastat's six counters per second, counted where the page lies. unusable % by order: how much of the \
    free memory lies in blocks too small for an allocation of that order; order 9 is a huge page of 2 MiB.";

pub fn rows(app: &App, width: usize, height: usize) -> Vec<Row> {
    let mut rows = vec![plain(Tone::Strong, "Keys")];
    for (key, what) in KEYS {
        rows.push(vec![
            (Tone::Strong, format!("  {key:<12} ")),
            (Tone::Plain, (*what).to_owned()),
        ]);
    }
    rows.push(Row::new());
    rows.push(plain(
        Tone::Strong,
        "Columns, per second of the last interval; - is not measured",
    ));
    for column in Column::ALL {
        for line in cells::wrapped(column.legend(), "  ", "    ", width) {
            rows.push(plain(Tone::Plain, line));
        }
    }
    rows.push(Row::new());
    for line in cells::wrapped(NODES, "", "  ", width) {
        rows.push(plain(Tone::Plain, line));
    }
    scrolled(rows, app.cursor, height)
}
