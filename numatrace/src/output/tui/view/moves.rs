//! Threads away from their memory, those that are away now first; below, why threads move.

use super::{Row, cells, plain};
use crate::{
    model::{Incident, MoveReason, frame::ScreenFrame, number},
    output::tui::{
        app::App,
        rate::{per_second, short},
        theme::Tone,
    },
};

pub fn rows(app: &App, look: &ScreenFrame, width: usize, height: usize) -> Vec<Row> {
    let shape = Shape::of(width);
    let mut rows = vec![reasons(look), head(shape)];
    let room = height.saturating_sub(rows.len() + 1);
    let first = cells::first(app.cursor, room, app.stories.len());
    let page_size = look.snapshot.host.page_size;
    for (row, (incident, away)) in app.stories.all().enumerate().skip(first).take(room) {
        let tone = match (row == app.cursor, away) {
            (true, _) => Tone::Cursor,
            (false, true) => Tone::Warn,
            (false, false) => Tone::Plain,
        };
        rows.push(plain(tone, line(incident, away, shape, page_size)));
    }
    if app.stories.len() == 0 {
        rows.push(plain(
            Tone::Faint,
            "  no thread is away from its memory (as far as it was touched since this began)",
        ));
    }
    rows.resize(height.saturating_sub(1).max(2), Row::new());
    rows.push(notes(app));
    rows
}

/// Moves between nodes in the interval, by reason.
fn reasons(look: &ScreenFrame) -> Row {
    let seconds = look.snapshot.session.duration_s;
    let moves = look
        .snapshot
        .system
        .as_ref()
        .and_then(|system| system.task_moves.as_ref());
    let Some(moves) = moves else {
        return plain(Tone::Faint, "moves of threads are not measured");
    };
    let mut text = format!(
        "moves between nodes {}/s",
        short(per_second(moves.cross_node, seconds))
    );
    let mut reasons: Vec<(MoveReason, u64)> = moves
        .by_reason
        .iter()
        .flatten()
        .map(|(reason, count)| (*reason, *count))
        .filter(|(_, count)| *count > 0)
        .collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (index, (reason, count)) in reasons.into_iter().enumerate() {
        let between = if index == 0 { ": " } else { ", " };
        let rate = short(per_second(Some(count), seconds));
        text.push_str(&format!("{between}{} {rate}", reason.name()));
    }
    plain(Tone::Strong, text)
}

/// What fits.
#[derive(Clone, Copy)]
struct Shape {
    /// Threads have their number.
    tid: bool,
    /// Remote hinting faults have a column.
    faults: bool,
    /// Columns of a name.
    name: usize,
}

impl Shape {
    /// Columns of all but number and name.
    const OTHERS: usize = 74;

    fn of(width: usize) -> Self {
        let tid = width >= Self::OTHERS + 8 + 12;
        let faults = width >= Self::OTHERS + 8 + 12 + 14;
        let others = Self::OTHERS + if tid { 8 } else { 0 } + if faults { 14 } else { 0 };
        Self {
            tid,
            faults,
            name: width.saturating_sub(others).clamp(6, 24),
        }
    }
}

fn head(Shape { tid, faults, name }: Shape) -> Row {
    let tid = if tid { "     TID " } else { " " };
    let faults = if faults { "remote faults " } else { "" };
    plain(
        Tone::Strong,
        format!(
            "{:>8} {:>7}{tid}{:<name$} {:>7} {:<14} {:>7} {:>7} {faults}{:>8} back",
            "at s", "PID", "thread", "nodes", "left by", "away ms", "ran ms", "MiB left"
        ),
    )
}

fn line(incident: &Incident, away: bool, shape: Shape, page_size: u64) -> String {
    let Shape { tid, faults, name } = shape;
    let back = match (incident.back, away) {
        (Some(reason), _) => reason.name().to_owned(),
        (None, true) => "not yet".to_owned(),
        (None, false) => "ended".to_owned(),
    };
    let followed = match incident.pages_followed {
        0 => String::new(),
        pages => format!(", {} MiB followed", number::mib(Some(pages), page_size)),
    };
    let tid = if tid {
        format!(" {:>7} ", incident.tid)
    } else {
        " ".to_owned()
    };
    let remote = incident.remote_hint_faults;
    let (column, tail) = match remote {
        _ if faults => (format!("{:>13} ", number::count(remote)), String::new()),
        Some(count) if count > 0 => {
            let faults = usize::try_from(count).unwrap_or(usize::MAX);
            let faults = number::plural(faults, "remote fault");
            (String::new(), format!(", {faults}"))
        }
        _ => Default::default(),
    };
    let ran = incident
        .run_ms
        .map_or_else(|| number::UNKNOWN.to_owned(), brief);
    format!(
        "{:>8.2} {:>7}{tid}{} {:>7} {:<14} {:>7} {ran:>7} {column}{:>8} {back}{followed}{tail}",
        incident.at_s,
        incident.pid,
        cells::left(&cells::name(&incident.comm), name),
        format!("{} to {}", incident.from, incident.to),
        incident.reason.name(),
        brief(incident.away_ms),
        number::mib(Some(incident.pages_left), page_size),
    )
}

fn brief(ms: f64) -> String {
    if ms < 100.0 {
        format!("{ms:.1}")
    } else {
        format!("{ms:.0}")
    }
}

fn notes(app: &App) -> Row {
    let mut parts = Vec::new();
    if app.stories.small > 0 {
        let small = number::grouped(app.stories.small);
        let text = format!("{small} absences under 10 ms or from less than 1 MiB are not listed");
        parts.push((Tone::Faint, text));
    }
    if app.stories.untold > 0 {
        let untold = number::grouped(app.stories.untold);
        parts.push((Tone::Bad, format!("{untold} more came too fast to be kept")));
    }
    cells::joined(parts)
}
