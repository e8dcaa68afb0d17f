//! Findings: what the counts mean, the evidence, and what to do.

use super::page::{Page, Tone};
use crate::model::{Severity, Snapshot};
use crate::output::escape;

/// Writes them in their order, worst first; nothing when there is none.
pub fn write(page: &mut Page<'_>, snapshot: &Snapshot) {
    if snapshot.findings.is_empty() {
        return;
    }
    page.section("Findings");
    for finding in &snapshot.findings {
        let (tone, word) = match finding.severity {
            Severity::Critical => (Some(Tone::Bad), "critical"),
            Severity::Warning => (Some(Tone::Warn), "warning"),
            Severity::Info => (None, "info"),
        };
        let who = finding
            .pid
            .map(|pid| format!(", pid {pid}"))
            .unwrap_or_default();
        let title = escape::text(finding.title.as_bytes());
        let id = escape::text(finding.id.as_bytes());
        page.wrapped(
            tone,
            &format!(" {word}: "),
            "   ",
            &format!("{title} [{id}{who}]"),
        );
        for evidence in &finding.evidence {
            page.wrapped(None, "   - ", "     ", &escape::text(evidence.as_bytes()));
        }
        page.wrapped(
            None,
            "   fix: ",
            "     ",
            &escape::text(finding.fix.as_bytes()),
        );
    }
}
