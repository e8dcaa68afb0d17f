//! Findings: diagnosis, evidence, fix.

use crate::model::{Severity, Snapshot};
use crate::output::escape;
use crate::output::format::{page::Page, tone::Tone};

/// Writes the findings in their order, worst first; nothing when there are none.
pub fn write(page: &mut Page<'_>, snapshot: &Snapshot) {
    if snapshot.findings.is_empty() {
        return;
    }
    page.section("Findings");
    for finding in &snapshot.findings {
        let (tone, severity) = match finding.severity {
            Severity::Critical => (Tone::Bad, "critical"),
            Severity::Warning => (Tone::Warn, "warning"),
            Severity::Info => (Tone::Plain, "info"),
        };
        let pid = finding
            .pid
            .map(|pid| format!(", pid {pid}"))
            .unwrap_or_default();
        let title = escape::text(finding.title.as_bytes());
        let id = escape::text(finding.id.as_bytes());
        page.wrapped(
            tone,
            &format!(" {severity}: "),
            "   ",
            &format!("{title} [{id}{pid}]"),
        );
        for evidence in &finding.evidence {
            page.wrapped(
                Tone::Plain,
                "   - ",
                "     ",
                &escape::text(evidence.as_bytes()),
            );
        }
        page.wrapped(
            Tone::Plain,
            "   fix: ",
            "     ",
            &escape::text(finding.fix.as_bytes()),
        );
    }
}
