//! New, gone and kept findings.

use crate::model::diff::Diff;
use crate::model::{Finding, Severity};
use crate::output::escape;
use crate::output::format::{fixes, page::Page, tone::Tone};

/// Writes the findings; new ones with their fix, because the change caused them.
pub fn write(page: &mut Page<'_>, diff: &Diff) {
    let findings = &diff.findings;
    if findings.gone.is_empty() && findings.new.is_empty() && findings.kept.is_empty() {
        return;
    }
    page.section("Findings");
    for finding in &findings.new {
        line(page, of(finding, Tone::Bad), "new", finding);
        if finding.severity == Severity::Info {
            continue;
        }
        fixes::write(page, finding, usize::MAX);
    }
    for finding in &findings.gone {
        line(page, of(finding, Tone::Good), "gone", finding);
    }
    for kept in &findings.kept {
        line(page, Tone::Plain, "still", &kept.after);
    }
}

/// Information is plain, whether it comes or goes.
fn of(finding: &Finding, tone: Tone) -> Tone {
    match finding.severity {
        Severity::Info => Tone::Plain,
        Severity::Critical | Severity::Warning => tone,
    }
}

fn line(page: &mut Page<'_>, tone: Tone, word: &str, finding: &Finding) {
    let title = escape::text(finding.title.as_bytes());
    let id = escape::text(finding.id.as_bytes());
    page.wrapped(
        tone,
        &format!(" {word}: "),
        "   ",
        &format!("{title} [{id}]"),
    );
}
