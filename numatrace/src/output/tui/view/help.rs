//! Explanations of keys and columns.

use super::{Row, findings::scrolled, plain};
use crate::output::{
    format::{tone::Tone, wrap::wrap},
    tui::{app::App, column::Column},
};

const KEYS: &[(&str, &str)] = &[
    ("1 to 5", "views: processes, nodes, matrix, moves, findings"),
    (
        "j k, arrows",
        "down and up; also Page Up, Page Down, Home, End, g and G",
    ),
    ("Enter", "details of the process under the cursor"),
    ("Esc", "back"),
    ("s S", "sort by the next column; reverse the order"),
    (
        "/",
        "show only processes with this text in their name or PID",
    ),
    ("m M, Tab", "matrix: next and previous quantity"),
    ("space", "pause the screen, or continue; counting continues"),
    ("+ -", "longer and shorter interval"),
    (
        "r",
        "start a recording into a file in this folder, or stop it",
    ),
    ("q", "quit"),
];

const NODES: &str = "nodes: numastat's six counters per second, counted on the node of the page. \
    fragmentation % by order: share of free memory in blocks too small for an allocation of that \
    order; order 9 is a huge page of 2 MiB.";

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
        for line in wrap(&column.legend(), "  ", "    ", width) {
            rows.push(plain(Tone::Plain, line));
        }
    }
    rows.push(Row::new());
    for line in wrap(NODES, "", "  ", width) {
        rows.push(plain(Tone::Plain, line));
    }
    scrolled(rows, app.cursor, height)
}
