//! Nodes: one row each; below, history of counters, memory and fragmentation of those around the
//! cursor.

use super::{Row, columns::Columns, line, plain};
use crate::{
    ids::ranges,
    model::{
        Counter, HostNode,
        frame::ScreenFrame,
        quantity::{header_per_s, headers as parts},
        stat::pressure::NodePressure,
    },
    output::{
        format::{rate::short, size::with_unit, tone::Tone, width},
        tui::app::App,
    },
};

/// Columns of a rate in the details.
const RATE: usize = 8;

/// Lines of one node's details.
const LINES: usize = 7;

/// Columns of a screen from which a node's counters stand three in a row instead of two.
const WIDE: usize = 120;

/// Columns of a screen from which rows have free memory, and from which they have reclaimable
/// memory too.
const WITH_FREE: usize = 80;
const WITH_RECLAIMABLE: usize = 90;

pub fn rows(app: &App, frame: &ScreenFrame, width: usize, height: usize) -> Vec<Row> {
    let nodes = &frame.snapshot.host.nodes;
    // The details of at least one node, unless the screen is too low for more than rows.
    let below = if height >= LINES + 3 { LINES } else { 0 };
    let listed = nodes.len().min(height.saturating_sub(1 + below));
    let head = head(width);
    let mut rows = head.head(None);
    let first = line::first(app.cursor, listed, nodes.len());
    for (position, node) in nodes.iter().enumerate().skip(first).take(listed) {
        let tone = if position == app.cursor {
            Tone::Cursor
        } else {
            Tone::Plain
        };
        rows.push(plain(tone, head.line(cells(app, frame, position, node))));
    }
    let room = height.saturating_sub(rows.len());
    let shown = room / LINES;
    let first = line::first(app.cursor, shown, nodes.len());
    for (position, node) in nodes.iter().enumerate().skip(first).take(shown) {
        rows.extend(details(app, frame.memory.get(position), node, width));
    }
    rows
}

/// Returns the headers of all columns.
pub fn headers() -> Columns {
    head(WITH_RECLAIMABLE)
}

fn head(width: usize) -> Columns {
    let mut head = Columns::default();
    head.right("node", 4);
    for counter in Counter::ALL {
        let header = header_per_s(counter.name());
        let width = header.len().max(7);
        head.right(header, width);
    }
    if width >= WITH_FREE {
        head.right(parts::NODE_FREE.header, 10);
    }
    if width >= WITH_RECLAIMABLE {
        head.right(parts::NODE_RECLAIMABLE.header, 11);
    }
    head
}

/// Returns the cells of the widest row; narrower ones lack the last.
fn cells(app: &App, frame: &ScreenFrame, position: usize, node: &HostNode) -> Vec<String> {
    let memory = frame.memory.get(position);
    let rates = Counter::ALL.map(|counter| short(app.history.last(node.node, counter)));
    let sizes = [
        with_unit(memory.and_then(|memory| memory.free_kib)),
        with_unit(memory.and_then(|memory| memory.reclaimable_kib)),
    ];
    [node.node.to_string()]
        .into_iter()
        .chain(rates)
        .chain(sizes)
        .collect()
}

fn details(app: &App, memory: Option<&NodePressure>, node: &HostNode, width: usize) -> Vec<Row> {
    let cpus = match ranges(node.cpus.iter().map(|cpu| cpu.0)) {
        list if list.is_empty() => "no CPUs".to_owned(),
        list if node.cpus.len() == 1 => format!("CPU {list}"),
        list => format!("CPUs {list}"),
    };
    let mut rows = vec![
        Row::new(),
        vec![
            (Tone::Strong, format!("node {}", node.node)),
            (Tone::Plain, format!("  {cpus}  ")),
            (Tone::Plain, in_words(memory)),
        ],
    ];
    let in_a_row = if width >= WIDE { 3 } else { 2 };
    let room = (width / in_a_row).saturating_sub(2);
    for counters in Counter::ALL.chunks(in_a_row) {
        let mut row = Row::new();
        for counter in counters {
            let rate = short(app.history.last(node.node, *counter));
            let label = format!(" {:<15}{rate:>RATE$} ", counter.name());
            let bars = room.saturating_sub(label.len());
            row.push((Tone::Plain, label));
            let line = app.history.sparkline(node.node, *counter, bars);
            row.push((Tone::Good, width::left(&line, bars)));
            row.push((Tone::Plain, "  ".into()));
        }
        rows.push(row);
    }
    rows.extend(fragmentation(memory));
    rows.resize(LINES, Row::new());
    rows
}

fn in_words(memory: Option<&NodePressure>) -> String {
    let Some(memory) = memory else {
        return "memory unknown".into();
    };
    if memory.total_kib == Some(0) {
        return "no memory".into();
    }
    format!(
        "free {} of {}, reclaimable {}, anonymous {}",
        with_unit(memory.free_kib),
        with_unit(memory.total_kib),
        with_unit(memory.reclaimable_kib),
        with_unit(memory.swappable_kib),
    )
}

/// Returns, for each order, the share of free memory in blocks too small for it.
fn fragmentation(memory: Option<&NodePressure>) -> Option<Row> {
    let unusable = &memory?.unusable;
    if unusable.is_empty() {
        return Some(plain(Tone::Faint, " fragmentation is unknown"));
    }
    let orders: Vec<String> = unusable
        .iter()
        .enumerate()
        .skip(1)
        .map(|(order, share)| format!("{order}:{:.0}", share * 100.0))
        .collect();
    let text = format!(" fragmentation % by order  {}", orders.join(" "));
    let huge = unusable.get(9).copied().unwrap_or(0.0);
    let tone = if huge > 0.9 { Tone::Warn } else { Tone::Plain };
    Some(plain(tone, text))
}
