//! Findings: diagnosis, evidence, fix.

use crate::model::{Severity, Snapshot, finding::checks::checks};
use crate::output::escape;
use crate::output::format::{fixes, page::Page, tone::Tone};

/// Writes the findings in their order, worst first. Without any, the section says what was checked.
pub fn write(page: &mut Page<'_>, snapshot: &Snapshot) {
    if snapshot.findings.is_empty() {
        return write_none(page, snapshot);
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
        fixes::write(page, finding);
    }
}

/// Says that there is no finding, what was checked, what was not, and the way to check it.
fn write_none(page: &mut Page<'_>, snapshot: &Snapshot) {
    page.section("Findings: none");
    let checks = checks(snapshot);
    for (heading, sentences) in [
        ("checked", &checks.checked),
        ("not checked", &checks.not_checked),
    ] {
        if !sentences.is_empty() {
            page.item(Tone::Plain, heading);
        }
        for sentence in sentences {
            let text = escape::text(sentence.as_bytes());
            page.wrapped(Tone::Plain, "   - ", "     ", &text);
        }
    }
}
