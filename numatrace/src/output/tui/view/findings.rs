//! Findings of the last minute, worst first, each with its evidence and its fix.

use super::{Row, plain};
use crate::{
    model::{Severity, number},
    output::{
        escape,
        format::{fixes, tone::Tone, wrap::wrap},
        tui::{app::App, findings::RecentFinding},
    },
};

pub fn rows(app: &App, width: usize, height: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    for kept in app.findings.all() {
        rows.extend(one(kept, width));
        rows.push(Row::new());
    }
    if rows.is_empty() {
        rows.push(plain(Tone::Good, "  no finding in the last minute"));
    }
    scrolled(rows, app.cursor, height)
}

/// Returns the lines from `first` on; the last one says how many more there are.
pub fn scrolled(rows: Vec<Row>, first: usize, height: usize) -> Vec<Row> {
    let last = rows.len().saturating_sub(height);
    let first = first.min(last);
    let more = rows.len().saturating_sub(first + height);
    let mut shown: Vec<Row> = rows.into_iter().skip(first).take(height).collect();
    if more > 0
        && let Some(end) = shown.last_mut()
    {
        let lines = number::plural(more + 1, "more line");
        *end = plain(Tone::Faint, format!("  … {lines} (j, Page Down)"));
    }
    shown
}

/// Returns the lines of one finding.
pub fn one(kept: &RecentFinding, width: usize) -> Vec<Row> {
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
        for line in wrap(&sentence, first, rest, width) {
            rows.push(plain(tone, line));
        }
    };
    text(Tone::Plain, "   ", "   ", &finding.title);
    for evidence in &finding.evidence {
        text(Tone::Faint, "   - ", "     ", evidence);
    }
    let fixes = fixes::lines(finding, Some(width)).into_iter();
    rows.extend(fixes.map(|line| plain(Tone::Plain, line)));
    rows
}
