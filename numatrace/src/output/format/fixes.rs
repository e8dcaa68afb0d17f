//! The fixes of a finding in texts: what to do, its commands on lines of their own, what is
//! different then.

use super::{
    page::Page,
    tone::Tone,
    wrap::{command, wrap},
};
use crate::{
    model::{Finding, FixKind},
    output::escape,
};

/// Indent of a command.
const COMMAND: &str = "       ";

/// Columns of a text that is not for a terminal.
const UNLIMITED: usize = 1 << 20;

/// Writes the first `most` fixes of a finding.
pub fn write(page: &mut Page<'_>, finding: &Finding, most: usize) {
    for line in first_lines(finding, page.width(), most) {
        page.line(Tone::Plain, &line);
    }
}

/// Returns the lines of a finding's fixes in their order; of a report of an earlier version, those
/// of its one sentence. Commands are broken where a shell reads the lines as one, and never
/// shortened.
#[must_use]
pub fn lines(finding: &Finding, width: Option<usize>) -> Vec<String> {
    first_lines(finding, width, usize::MAX)
}

fn first_lines(finding: &Finding, width: Option<usize>, most: usize) -> Vec<String> {
    let width = width.unwrap_or(UNLIMITED);
    let text = |sentence: &str, first: &str, rest: &str| {
        wrap(&escape::text(sentence.as_bytes()), first, rest, width)
    };
    if finding.fixes.is_empty() {
        return text(&finding.fix, "   fix: ", "     ");
    }
    let mut lines = Vec::new();
    for (at, fix) in finding.fixes.iter().take(most).enumerate() {
        let first = match fix.kind {
            // Only a command shows something; "look elsewhere" is what to do.
            FixKind::Look if at > 0 || !fix.commands.is_empty() => "   look: ",
            _ if at == 0 => "   fix: ",
            _ => "   or: ",
        };
        let end = if fix.commands.is_empty() { "" } else { ":" };
        lines.extend(text(&format!("{}{end}", fix.text), first, "     "));
        for line in &fix.commands {
            lines.extend(command(&escape::text(line.as_bytes()), COMMAND, width));
        }
        if !fix.expect.is_empty() {
            lines.extend(text(&fix.expect, "     then: ", "       "));
        }
    }
    lines
}
