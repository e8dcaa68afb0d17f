//! Reports as a Perfetto trace, for ui.perfetto.dev: counters per node, the nodes of threads over
//! time, task moves and page migrations as arrows between nodes.
//!
//! A recording has every move. A report has sums; only its incidents and, with `--timeline`, the
//! moves of one process have times. With several reports (`-i`) the counters change over time.
//! Times are nanoseconds since the first report began.

mod counters;
mod moves;
mod trace;
pub mod wire;

use prost::Message as _;

use crate::model::{Recorded, Snapshot};
use crate::output::escape;
use crate::output::format::scope::scope;
use trace::{Note, Trace};

/// Returns the trace of one report, or of the intervals of one session in order, with the moves of
/// a recording if there is one.
#[must_use]
pub fn render(reports: &[Snapshot], recorded: &[Recorded]) -> Vec<u8> {
    let mut trace = Trace::default();
    let Some(first) = reports.first() else {
        return Vec::new();
    };
    let began = first.session.start;
    let session = trace.root("numatrace", 0);
    let mut end = 0;
    let mut counters = counters::Counters::new(&mut trace, first);
    for report in reports {
        let since = report.session.start.duration_since(began).as_nanos();
        let from = u64::try_from(since).unwrap_or(0);
        let to = from.saturating_add(nanoseconds(report.session.duration_s));
        let label = match report.session.interval {
            Some(interval) => format!("interval {interval}"),
            None => format!(
                "numatrace {}: {}",
                escape::text(report.session.command.as_bytes()),
                scope(&report.session)
            ),
        };
        trace.slice(session, (from, to), "session", &label, notes(report));
        counters.add(&mut trace, report, to);
        end = end.max(to);
        if recorded.is_empty() {
            moves::of_report(&mut trace, report, (from, to));
        }
    }
    moves::of_recording(&mut trace, reports, recorded, end);
    trace.finish().encode_to_vec()
}

/// Returns the most important numbers and the findings of a report.
fn notes(report: &Snapshot) -> Vec<Note> {
    let mut notes = Vec::new();
    if let Some(alloc) = report.alloc_total() {
        notes.extend(
            alloc
                .allocations()
                .map(|count| Note::number("allocations", count)),
        );
        notes.extend(alloc.remote().map(|count| Note::number("remote", count)));
        notes.extend(alloc.misses().map(|count| Note::number("missed", count)));
    }
    notes.extend(
        report
            .coverage
            .records_lost
            .map(|count| Note::number("records lost", count)),
    );
    for finding in &report.findings {
        notes.push(Note::text(
            &finding.id,
            &escape::text(finding.title.as_bytes()),
        ));
    }
    notes
}

/// Converts seconds to nanoseconds; a negative or undefined time becomes 0.
fn nanoseconds(seconds: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturating: a negative or endless time comes from a hostile file"
    )]
    let ns = (seconds * 1e9).round() as u64;
    ns
}
