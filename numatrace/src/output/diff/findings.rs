//! Diagnoses that came, went and stayed.

use crate::model::diff::Diff;
use crate::model::{Finding, Severity};
use crate::output::escape;
use crate::output::text::page::{Page, Tone};

/// Writes them: new ones with what to do, for they are what the change brought.
pub fn write(page: &mut Page<'_>, diff: &Diff) {
    let findings = &diff.findings;
    if findings.gone.is_empty() && findings.new.is_empty() && findings.kept.is_empty() {
        return;
    }
    page.section("Findings");
    for finding in &findings.new {
        let matters = finding.severity != Severity::Info;
        line(page, matters.then_some(Tone::Bad), "new", finding);
        if !matters {
            continue;
        }
        page.wrapped(
            None,
            "   fix: ",
            "     ",
            &escape::text(finding.fix.as_bytes()),
        );
    }
    for finding in &findings.gone {
        let matters = finding.severity != Severity::Info;
        line(page, matters.then_some(Tone::Good), "gone", finding);
    }
    for kept in &findings.kept {
        line(page, None, "still", &kept.after);
    }
}

fn line(page: &mut Page<'_>, tone: Option<Tone>, word: &str, finding: &Finding) {
    let title = escape::text(finding.title.as_bytes());
    let id = escape::text(finding.id.as_bytes());
    page.wrapped(
        tone,
        &format!(" {word}: "),
        "   ",
        &format!("{title} [{id}]"),
    );
}
