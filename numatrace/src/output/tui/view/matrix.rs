//! A quantity from node to node as a heat map: numbers while they fit, one shade a cell on many nodes.

use super::{Row, cells, plain};
use crate::{
    model::{Matrix, frame::ScreenFrame, matrix::share, number},
    output::tui::{
        app::App,
        quantity::Quantity,
        rate::{per_second, short},
        theme::Tone,
    },
};

/// Columns of a cell with a number, and of a row's name.
const CELL: usize = 9;
const LABEL: usize = 8;

/// The largest pairs of different nodes that stand below.
const PAIRS: usize = 5;

pub fn rows(app: &App, look: &ScreenFrame, width: usize, height: usize) -> Vec<Row> {
    let snapshot = &look.snapshot;
    let mut rows = vec![
        quantities(app.quantity),
        plain(Tone::Strong, app.quantity.title()),
    ];
    let Some(matrix) = app.quantity.matrix(snapshot) else {
        rows.push(plain(
            Tone::Faint,
            "- not measured: the hook it comes from is not in place, or does not tell nodes",
        ));
        return rows;
    };
    let names: Vec<String> = snapshot
        .host
        .nodes
        .iter()
        .map(|node| node.node.to_string())
        .collect();
    let seconds = snapshot.session.duration_s;
    let below = if height >= 14 { PAIRS + 2 } else { 0 };
    let room = height.saturating_sub(rows.len() + 1 + below).max(1);
    let numbers = LABEL + names.len() * CELL <= width;
    rows.push(head(&names, numbers, width));
    let first = cells::first(app.cursor, room, names.len());
    for (from, name) in names.iter().enumerate().skip(first).take(room) {
        let chosen = from == app.cursor;
        rows.push(if numbers {
            row_of_numbers(matrix, from, name, names.len(), seconds, chosen)
        } else {
            row_of_shades(app, matrix, from, name, names.len(), width, chosen)
        });
    }
    if below > 0 {
        rows.push(Row::new());
        rows.extend(pairs(matrix, &names, seconds));
    }
    rows
}

/// Which quantity is shown.
fn quantities(shown: Quantity) -> Row {
    let mut row = Row::new();
    for quantity in Quantity::ALL {
        let tone = if quantity == shown {
            Tone::Cursor
        } else {
            Tone::Faint
        };
        row.push((tone, format!(" {} ", quantity.name())));
    }
    row
}

fn head(names: &[String], numbers: bool, width: usize) -> Row {
    let mut text = cells::right("", LABEL);
    if numbers {
        for name in names {
            text.push_str(&cells::right(name, CELL));
        }
    } else {
        // Every eighth column has its name above it.
        let columns = names.len().min(width.saturating_sub(LABEL + 1));
        text.push(' ');
        for name in names.iter().take(columns).step_by(8) {
            text.push_str(&cells::left(name, 8));
        }
    }
    plain(Tone::Strong, text)
}

/// How hot a cell is: eighths of the largest, the smallest something is one.
fn heat(count: u64, largest: u64) -> u8 {
    let eighths = share(count, largest).map_or(0.0, |part| (part * 8.0).ceil());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 8"
    )]
    let eighths = eighths as u8;
    eighths
}

/// Pairs of different nodes: what is local is not what this is about, and would outshine the rest.
fn largest(matrix: &Matrix) -> u64 {
    let rows = matrix.0.iter().enumerate();
    rows.flat_map(|(from, row)| {
        let cells = row.0.iter().enumerate();
        cells.filter(move |(to, _)| *to != from).map(|(_, n)| *n)
    })
    .max()
    .unwrap_or(0)
}

fn row_of_numbers(
    matrix: &Matrix,
    from: usize,
    name: &str,
    nodes: usize,
    seconds: f64,
    chosen: bool,
) -> Row {
    let largest = largest(matrix);
    let mut row = vec![label(name, chosen)];
    for to in 0..nodes {
        let count = matrix.at(from, to);
        let tone = if from == to {
            Tone::Plain
        } else {
            Tone::Heat(heat(count, largest))
        };
        row.push((Tone::Plain, " ".into()));
        let text = short(per_second(Some(count), seconds));
        row.push((tone, cells::right(&text, CELL - 1)));
    }
    row
}

/// One shade for each cell: as text without colours, so that it is told either way.
fn row_of_shades(
    app: &App,
    matrix: &Matrix,
    from: usize,
    name: &str,
    nodes: usize,
    width: usize,
    chosen: bool,
) -> Row {
    const SHADES: [char; 9] = ['·', '░', '░', '▒', '▒', '▓', '▓', '█', '█'];
    let largest = largest(matrix);
    let mut row = vec![label(name, chosen), (Tone::Plain, " ".into())];
    let columns = nodes.min(width.saturating_sub(LABEL + 1));
    for to in 0..columns {
        if from == to {
            row.push((Tone::Faint, "\\".into()));
            continue;
        }
        let heat = heat(matrix.at(from, to), largest);
        let shade = SHADES[usize::from(heat.min(8))];
        let tone = if app.theme.color {
            Tone::Heat(heat)
        } else {
            Tone::Plain
        };
        row.push((tone, shade.to_string()));
    }
    if columns < nodes {
        row.push((Tone::Faint, "…".into()));
    }
    row
}

fn label(name: &str, chosen: bool) -> super::Part {
    let tone = if chosen { Tone::Cursor } else { Tone::Strong };
    (tone, cells::right(&format!("node {name}"), LABEL))
}

/// The largest pairs of different nodes in words.
fn pairs(matrix: &Matrix, names: &[String], seconds: f64) -> Vec<Row> {
    let mut pairs: Vec<(u64, usize, usize)> = Vec::new();
    for from in 0..names.len() {
        for to in 0..names.len() {
            let count = matrix.at(from, to);
            if from != to && count > 0 {
                pairs.push((count, from, to));
            }
        }
    }
    pairs.sort_by_key(|(count, from, to)| (std::cmp::Reverse(*count), *from, *to));
    let whole = matrix.total();
    let mut rows = vec![plain(
        Tone::Plain,
        format!(
            "between nodes {} % of {}/s; the largest:",
            number::percent(share(matrix.off_diagonal(), whole)),
            short(per_second(Some(whole), seconds)),
        ),
    )];
    for (count, from, to) in pairs.into_iter().take(PAIRS) {
        let rate = short(per_second(Some(count), seconds));
        let name = |at: usize| names.get(at).cloned().unwrap_or_default();
        rows.push(plain(
            Tone::Plain,
            format!("  node {:>4} to {:<4} {rate:>8}/s", name(from), name(to)),
        ));
    }
    rows
}
