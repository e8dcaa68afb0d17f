//! A transfer from node to node as a heat map: numbers if they fit, else one shade per pair of
//! nodes.

use super::{Part, Row, line, plain};
use crate::{
    model::{Matrix, frame::ScreenFrame, matrix::share, number},
    output::{
        format::{
            rate::{per_second, short},
            tone::Tone,
            width::{left, right},
        },
        tui::{app::App, transfer::Transfer},
    },
};

/// Columns of a number, and of a row's name.
const NUMBER: usize = 9;
const LABEL: usize = 8;

/// Pairs of different nodes that are listed below.
const PAIRS: usize = 5;

pub fn rows(app: &App, frame: &ScreenFrame, width: usize, height: usize) -> Vec<Row> {
    let snapshot = &frame.snapshot;
    let mut rows = vec![
        transfers(app.transfer),
        plain(Tone::Strong, app.transfer.title()),
    ];
    let Some(matrix) = app.transfer.matrix(snapshot) else {
        rows.push(plain(
            Tone::Faint,
            "- not measured: its hook is not attached, or does not count by node",
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
    let numbers = LABEL + names.len() * NUMBER <= width;
    rows.push(head(&names, numbers, width));
    let first = line::first(app.cursor, room, names.len());
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

/// Names the transfers, and marks the one shown.
fn transfers(shown: Transfer) -> Row {
    let mut row = Row::new();
    for transfer in Transfer::ALL {
        let tone = if transfer == shown {
            Tone::Cursor
        } else {
            Tone::Faint
        };
        row.push((tone, format!(" {} ", transfer.name())));
    }
    row
}

fn head(names: &[String], numbers: bool, width: usize) -> Row {
    let mut text = right("", LABEL);
    if numbers {
        for name in names {
            text.push_str(&right(name, NUMBER));
        }
    } else {
        // Every eighth column has its name above it.
        let columns = names.len().min(width.saturating_sub(LABEL + 1));
        text.push(' ');
        for name in names.iter().take(columns).step_by(8) {
            text.push_str(&left(name, 8));
        }
    }
    plain(Tone::Strong, text)
}

/// Returns a count in eighths of the largest; only 0 has none.
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

/// Returns the largest count between different nodes. Local counts would outshine the rest.
fn largest(matrix: &Matrix) -> u64 {
    let rows = matrix.0.iter().enumerate();
    rows.flat_map(|(from, row)| {
        let counts = row.0.iter().enumerate();
        counts.filter(move |(to, _)| *to != from).map(|(_, n)| *n)
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
        row.push((tone, right(&text, NUMBER - 1)));
    }
    row
}

/// Draws one shade per count. The shades differ as text, too, for screens without colours.
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

fn label(name: &str, chosen: bool) -> Part {
    let tone = if chosen { Tone::Cursor } else { Tone::Strong };
    (tone, right(&format!("node {name}"), LABEL))
}

/// Lists the largest pairs of different nodes.
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
            "between nodes {} of {}/s; the largest:",
            number::percent_sign(share(matrix.off_diagonal(), whole)),
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
