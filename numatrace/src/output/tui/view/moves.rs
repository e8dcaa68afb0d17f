//! Absences of threads from their memory, open ones first; above, the reasons of moves.

use super::{Row, columns::Columns, line, plain};
use crate::{
    model::{
        Incident, MoveReason,
        frame::ScreenFrame,
        number,
        quantity::{header, headers as parts},
    },
    output::{
        format::{
            name::quoted,
            rate::{per_second, short},
            tone::Tone,
        },
        tui::app::App,
    },
};

pub fn rows(app: &App, frame: &ScreenFrame, width: usize, height: usize) -> Vec<Row> {
    let shape = Shape::of(width);
    let head = shape.head();
    let mut rows = vec![reasons(frame)];
    rows.extend(head.head(None));
    let room = height.saturating_sub(rows.len() + 1);
    let first = line::first(app.cursor, room, app.absences.len());
    let page_size = frame.snapshot.host.page_size;
    for (row, (incident, open)) in app.absences.all().enumerate().skip(first).take(room) {
        let tone = match (row == app.cursor, open) {
            (true, _) => Tone::Cursor,
            (false, true) => Tone::Warn,
            (false, false) => Tone::Plain,
        };
        rows.push(plain(
            tone,
            head.line(shape.cells(incident, open, page_size)),
        ));
    }
    if app.absences.len() == 0 {
        rows.push(plain(
            Tone::Faint,
            "  no thread is away from the memory that its process touched since top began",
        ));
    }
    rows.resize(height.saturating_sub(1).max(2), Row::new());
    rows.push(notes(app));
    rows
}

/// Returns the headers of all columns.
pub fn headers() -> Columns {
    Shape::of(usize::MAX).head()
}

/// Moves between nodes in the interval, by reason.
fn reasons(frame: &ScreenFrame) -> Row {
    let seconds = frame.snapshot.session.duration_s;
    let moves = frame
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
    if moves.cross_llc.is_some() {
        let rate = short(per_second(moves.cross_llc, seconds));
        text.push_str(&format!("; between caches of a node {rate}/s"));
    }
    plain(Tone::Strong, text)
}

/// The columns that fit.
#[derive(Clone, Copy)]
struct Shape {
    /// There is a column of TIDs.
    tid: bool,
    /// Remote accesses have a column; otherwise they stand behind the last one.
    accesses: bool,
    /// Columns of a name.
    name: usize,
}

impl Shape {
    /// Columns of all but the name and the two that narrow screens lack.
    const OTHERS: usize = 74;
    /// Columns of a TID, and of remote accesses, with a space.
    const TID: usize = 8;
    const ACCESSES: usize = 9;

    fn of(width: usize) -> Self {
        let tid = width >= Self::OTHERS + Self::TID + 12;
        let accesses = width >= Self::OTHERS + Self::TID + Self::ACCESSES + 12;
        let others = Self::OTHERS
            + if tid { Self::TID } else { 0 }
            + if accesses { Self::ACCESSES } else { 0 };
        Self {
            tid,
            accesses,
            name: width.saturating_sub(others).clamp(6, 24),
        }
    }

    fn head(self) -> Columns {
        let mut head = Columns::default();
        head.right(parts::LEFT_AT.header, 8).right("PID", 7);
        if self.tid {
            head.right("TID", Self::TID - 1);
        }
        head.left("thread", self.name);
        head.right("nodes", 7).left("reason", 14);
        head.right(parts::AWAY.header, 7);
        head.right(parts::RAN.header, 7);
        if self.accesses {
            head.right(header("remote_hint_faults"), Self::ACCESSES - 1);
        }
        head.right(parts::LEFT_BEHIND.header, 8).last("back");
        head
    }

    fn cells(self, incident: &Incident, open: bool, page_size: u64) -> Vec<String> {
        let mut back = match (incident.back, open) {
            (Some(reason), _) => reason.name().to_owned(),
            (None, true) => "not yet".to_owned(),
            (None, false) => "ended".to_owned(),
        };
        if incident.pages_followed > 0 {
            let followed = number::mib(Some(incident.pages_followed), page_size);
            back.push_str(&format!(", {followed} MiB followed"));
        }
        let accesses = incident.remote_hint_faults;
        if let Some(count) = accesses.filter(|count| !self.accesses && *count > 0) {
            back.push_str(&format!(", {} remote", number::plural(count, "access")));
        }
        let mut cells = vec![format!("{:.2}", incident.at_s), incident.pid.to_string()];
        if self.tid {
            cells.push(incident.tid.to_string());
        }
        let ran = incident.run_ms.map(brief);
        cells.extend([
            quoted(&incident.comm),
            format!("{} to {}", incident.from, incident.to),
            incident.reason.name().to_owned(),
            brief(incident.away_ms),
            ran.unwrap_or_else(|| number::UNKNOWN.to_owned()),
        ]);
        if self.accesses {
            cells.push(number::count(accesses));
        }
        cells.extend([number::mib(Some(incident.pages_left), page_size), back]);
        cells
    }
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
    if app.absences.small > 0 {
        let small = number::plural(app.absences.small, "absence");
        let text = format!("not listed: {small} under 10 ms or from less than 1 MiB");
        parts.push((Tone::Faint, text));
    }
    if app.absences.dropped > 0 {
        let dropped = number::grouped(app.absences.dropped);
        parts.push((
            Tone::Bad,
            format!("not kept: {dropped} more, too many at once"),
        ));
    }
    line::joined(parts)
}
