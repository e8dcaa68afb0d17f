//! Nodes: a row each, and for those around the cursor the counters' past, memory and fragmentation.

use super::{Row, cells, plain};
use crate::{
    ids::ranges,
    model::{Counter, HostNode, frame::ScreenFrame, stat::pressure::NodePressure},
    output::tui::{
        app::App,
        rate::{short, size},
        theme::Tone,
    },
};

/// Columns of a rate.
const RATE: usize = 8;

/// Lines of one node's details.
const LINES: usize = 7;

/// Columns from which a node's counters stand three in a row instead of two.
const WIDE: usize = 120;

pub fn rows(app: &App, look: &ScreenFrame, width: usize, height: usize) -> Vec<Row> {
    let nodes = &look.snapshot.host.nodes;
    // At least one node's details, unless the screen is too low for anything but rows.
    let below = if height >= LINES + 3 { LINES } else { 0 };
    let listed = nodes.len().min(height.saturating_sub(1 + below));
    let mut rows = vec![head(width)];
    let first = cells::first(app.cursor, listed, nodes.len());
    for (position, node) in nodes.iter().enumerate().skip(first).take(listed) {
        rows.push(one(app, look, position, node, width));
    }
    let room = height.saturating_sub(rows.len());
    let shown = room / LINES;
    let first = cells::first(app.cursor, shown, nodes.len());
    for (position, node) in nodes.iter().enumerate().skip(first).take(shown) {
        rows.extend(details(app, look.memory.get(position), node, width));
    }
    rows
}

/// What the rows show beside the counters; the first ones stay on narrow screens.
fn head(width: usize) -> Row {
    let mut text = format!("{:>6}", "node/s");
    for counter in Counter::ALL {
        let name = match counter {
            Counter::NumaHit => "hit",
            Counter::NumaMiss => "miss",
            Counter::NumaForeign => "foreign",
            Counter::InterleaveHit => "interl",
            Counter::LocalNode => "local",
            Counter::OtherNode => "other",
        };
        text.push_str(&format!("{name:>RATE$}"));
    }
    if width >= 80 {
        text.push_str(&format!("{:>12}{:>13}", "free", "reclaimable"));
    }
    plain(Tone::Strong, text)
}

fn one(app: &App, look: &ScreenFrame, position: usize, node: &HostNode, width: usize) -> Row {
    let mut text = format!("{:>6}", node.node.to_string());
    for counter in Counter::ALL {
        let rate = short(app.history.last(node.node, counter));
        text.push_str(&format!("{rate:>RATE$}"));
    }
    if width >= 80 {
        let memory = look.memory.get(position);
        let free = size(memory.and_then(|memory| memory.free_kib));
        let reclaimable = size(memory.and_then(|memory| memory.reclaimable_kib));
        text.push_str(&format!("{free:>12}{reclaimable:>13}"));
    }
    let tone = if position == app.cursor {
        Tone::Cursor
    } else {
        Tone::Plain
    };
    vec![(tone, text)]
}

fn details(app: &App, memory: Option<&NodePressure>, node: &HostNode, width: usize) -> Vec<Row> {
    let cpus = match ranges(node.cpus.iter().map(|cpu| cpu.0)) {
        list if list.is_empty() => "no CPUs".to_owned(),
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
    let cell = (width / in_a_row).saturating_sub(2);
    for counters in Counter::ALL.chunks(in_a_row) {
        let mut row = Row::new();
        for counter in counters {
            let rate = short(app.history.last(node.node, *counter));
            let label = format!(" {:<15}{rate:>RATE$} ", counter.name());
            let bars = cell.saturating_sub(label.len());
            row.push((Tone::Plain, label));
            let line = app.history.sparkline(node.node, *counter, bars);
            row.push((Tone::Good, cells::left(&line, bars)));
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
        return "memory not known".into();
    };
    if memory.total_kib == Some(0) {
        return "no memory".into();
    }
    format!(
        "free {} of {}, reclaimable {}, anon {}",
        size(memory.free_kib),
        size(memory.total_kib),
        size(memory.reclaimable_kib),
        size(memory.swappable_kib),
    )
}

/// For each order how much of the free memory lies in blocks too small for it.
fn fragmentation(memory: Option<&NodePressure>) -> Option<Row> {
    let unusable = &memory?.unusable;
    if unusable.is_empty() {
        return Some(plain(
            Tone::Faint,
            " free memory by block size is not known",
        ));
    }
    let orders: Vec<String> = unusable
        .iter()
        .enumerate()
        .skip(1)
        .map(|(order, share)| format!("{order}:{:.0}", share * 100.0))
        .collect();
    let text = format!(" unusable % by order  {}", orders.join(" "));
    let huge = unusable.get(9).copied().unwrap_or(0.0);
    let tone = if huge > 0.9 { Tone::Warn } else { Tone::Plain };
    Some(plain(tone, text))
}
