//! Diagnoses of the last minute, worst first, each with its evidence and what to do.

use super::{Row, cells, plain};
use crate::{
    model::Severity,
    output::{
        escape,
        tui::{app::App, findings::Kept, theme::Tone},
    },
};

pub fn rows(app: &App, width: usize, height: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    for kept in app.findings.all() {
        rows.extend(one(kept, width));
        rows.push(Row::new());
    }
    if rows.is_empty() {
        rows.push(plain(Tone::Good, "  nothing to report in the last minute"));
    }
    scrolled(rows, app.cursor, height)
}

/// The lines from `first` on, as far as there are any; a mark at the end when there are more.
pub fn scrolled(rows: Vec<Row>, first: usize, height: usize) -> Vec<Row> {
    let last = rows.len().saturating_sub(height);
    let first = first.min(last);
    let more = rows.len().saturating_sub(first + height);
    let mut shown: Vec<Row> = rows.into_iter().skip(first).take(height).collect();
    if more > 0
        && let Some(end) = shown.last_mut()
    {
        *end = plain(
            Tone::Faint,
            format!("  … {} more lines (j, Page Down)", more + 1),
        );
    }
    shown
}

/// One finding as lines.
pub fn one(kept: &Kept, width: usize) -> Vec<Row> {
    let finding = &kept.finding;
    let (tone, severity) = match finding.severity {
        Severity::Critical => (Tone::Bad, "critical"),
        Severity::Warning => (Tone::Warn, "warning"),
        Severity::Info => (Tone::Good, "info"),
    };
    let age = match kept.age.as_secs() {
        0 => "now".to_owned(),
        seconds => format!("{seconds} s ago"),
    };
    let mut rows = vec![vec![
        (tone, format!(" {severity:<9}")),
        (Tone::Strong, finding.id.clone()),
        (Tone::Faint, format!("  {age}")),
    ]];
    let mut text = |tone, first: &str, rest: &str, sentence: &str| {
        let sentence = escape::text(sentence.as_bytes());
        for line in cells::wrapped(&sentence, first, rest, width) {
            rows.push(plain(tone, line));
        }
    };
    text(Tone::Plain, "   ", "   ", &finding.title);
    for evidence in &finding.evidence {
        text(Tone::Faint, "   - ", "     ", evidence);
    }
    text(Tone::Plain, "   fix: ", "        ", &finding.fix);
    rows
}
