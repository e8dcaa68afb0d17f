//! Findings: diagnosis, evidence, fix.

use crate::model::{Finding, Severity, Snapshot, finding::checks::checks};
use crate::output::escape;
use crate::output::format::{fixes, page::Page, tone::Tone};

/// Findings that the first screen has whole.
const WHOLE: usize = 3;

/// Sentences of evidence that the first screen has of a finding.
const EVIDENCE: usize = 3;

/// Writes the findings in their order, worst first. Without any, the section says what was checked.
///
/// `whole` is every sentence; else it is what fits on a first screen: of the first findings the
/// beginning of the evidence and the first fix, of the others, and of those that repeat an earlier
/// one about a different process, the title.
pub fn write(page: &mut Page<'_>, snapshot: &Snapshot, whole: bool) {
    if snapshot.findings.is_empty() {
        return write_none(page, snapshot);
    }
    page.section("Findings");
    let mut described: Vec<&str> = Vec::new();
    for finding in &snapshot.findings {
        title(page, finding);
        let is_new = described.len() < WHOLE && !described.contains(&finding.id.as_str());
        if whole || is_new {
            described.push(&finding.id);
            let most = if whole { usize::MAX } else { EVIDENCE };
            describe(page, finding, most, whole);
        }
    }
    if !whole && cut(snapshot, &described) {
        page.legend("All evidence and every way to mend it: --section findings");
    }
}

/// Returns whether the first screen leaves something out.
fn cut(snapshot: &Snapshot, described: &[&str]) -> bool {
    let long = |finding: &Finding| finding.evidence.len() > EVIDENCE || finding.fixes.len() > 1;
    snapshot.findings.len() > described.len() || snapshot.findings.iter().any(long)
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

/// Writes the first `most` sentences of the evidence, and all fixes or the first.
fn describe(page: &mut Page<'_>, finding: &Finding, most: usize, all_fixes: bool) {
    for evidence in finding.evidence.iter().take(most) {
        page.wrapped(
            Tone::Plain,
            "   - ",
            "     ",
            &escape::text(evidence.as_bytes()),
        );
    }
    fixes::write(page, finding, if all_fixes { usize::MAX } else { 1 });
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
