//! Findings: diagnosis, evidence, fix.

use crate::model::{Finding, Severity, Snapshot, finding::checks::checks};
use crate::output::escape;
use crate::output::format::{fixes, page::Page, tone::Tone};

/// Findings that the first screen describes: the worst one whole, the next ones in short.
const DESCRIBED: usize = 3;

/// Sentences of evidence that the first screen has of a finding in short.
const EVIDENCE: usize = 3;

/// Writes the findings in their order, worst first. Without any, the section says what was checked.
///
/// `whole` is every sentence; else it is what a first screen needs: the worst finding, of the next
/// ones the beginning of the evidence and the first fix, of the others, and of those that repeat an
/// earlier one about a different process, the title.
pub fn write(page: &mut Page<'_>, snapshot: &Snapshot, whole: bool) {
    if snapshot.findings.is_empty() {
        return write_none(page, snapshot);
    }
    page.section("Findings");
    let mut described: Vec<&str> = Vec::new();
    let mut cut = false;
    for finding in &snapshot.findings {
        title(page, finding);
        let is_new = described.len() < DESCRIBED && !described.contains(&finding.id.as_str());
        if whole || described.is_empty() {
            describe(page, finding, usize::MAX, usize::MAX);
            described.push(&finding.id);
        } else if is_new {
            describe(page, finding, EVIDENCE, 1);
            described.push(&finding.id);
            cut |= finding.evidence.len() > EVIDENCE || finding.fixes.len() > 1;
        } else {
            cut = true;
        }
    }
    if cut {
        page.legend("All evidence and every way to mend it: --section findings");
    }
}

fn title(page: &mut Page<'_>, finding: &Finding) {
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
}

/// Writes the first sentences of the evidence, and the first fixes.
fn describe(page: &mut Page<'_>, finding: &Finding, evidence: usize, fixes: usize) {
    for evidence in finding.evidence.iter().take(evidence) {
        page.wrapped(
            Tone::Plain,
            "   - ",
            "     ",
            &escape::text(evidence.as_bytes()),
        );
    }
    fixes::write(page, finding, fixes);
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
