//! What was traced, when, for how long, and on which machine.

use super::page::{Page, Tone};
use crate::ids::ranges;
use crate::model::number;
use crate::model::{EndedBy, Name, Session, Snapshot};
use crate::output::escape;

/// Characters of a launched command: two lines of a terminal.
const COMMAND: usize = 150;

/// Writes two lines: the session and the machine.
pub fn write(page: &mut Page<'_>, snapshot: &Snapshot) {
    let session = &snapshot.session;
    let scope = scope(session);
    let ended = match session.ended_by {
        Some(EndedBy::Signal) => ", ended by a signal",
        Some(EndedBy::Exit) => ", until it ended",
        Some(EndedBy::Duration) | None => "",
    };
    let status = session
        .exit_status
        .map(|status| format!(" with status {status}"))
        .unwrap_or_default();
    let interval = session
        .interval
        .map(|interval| format!(", interval {interval}"))
        .unwrap_or_default();
    let part = session.part.map_or_else(String::new, |part| {
        format!(", from {:.1} to {:.1} s of it", part.from_s, part.to_s)
    });
    page.wrapped(
        Some(Tone::Strong),
        "",
        "  ",
        &format!(
            "numatrace {}: {scope}, {}{ended}{status}{interval}{part}",
            escape::text(session.command.as_bytes()),
            number::duration(session.duration_s),
        ),
    );

    let host = &snapshot.host;
    let balancing = match host.numa_balancing {
        None => "not in this kernel",
        Some(0) => "off",
        Some(1) => "on",
        Some(2) => "memory tiering only",
        Some(_) => "on, with memory tiering",
    };
    // Only where it is not what everybody expects.
    let pages = match host.page_size {
        4096 => String::new(),
        bytes => format!(", pages of {} KiB", number::grouped(bytes / 1024)),
    };
    page.wrapped(
        None,
        "",
        "  ",
        &format!(
            "{}, Linux {} {}, {}{pages}, NUMA balancing {balancing}",
            session.start.strftime("%Y-%m-%d %H:%M:%S UTC"),
            escape::text(host.kernel.as_bytes()),
            escape::text(host.arch.as_bytes()),
            number::plural(host.nodes.len(), "node"),
        ),
    );
}

/// The scope of a session in words, escaped.
#[must_use]
pub fn scope(session: &Session) -> String {
    let scope = &session.scope;
    let mut parts = Vec::new();
    if !scope.launched.is_empty() {
        parts.push(shortened(words(&scope.launched, " ")));
    }
    if !scope.pids.is_empty() {
        let pids: Vec<String> = scope.pids.iter().map(ToString::to_string).collect();
        parts.push(format!(
            "{} {}",
            if pids.len() == 1 {
                "process"
            } else {
                "processes"
            },
            pids.join(", ")
        ));
    }
    if !scope.comms.is_empty() {
        parts.push(format!("processes named {}", words(&scope.comms, ", ")));
    }
    if !scope.cgroups.is_empty() {
        parts.push(format!("cgroup {}", words(&scope.cgroups, ", ")));
    }
    if !parts.is_empty() {
        let children = if scope.children {
            " and children"
        } else {
            " without children"
        };
        parts
            .last_mut()
            .into_iter()
            .for_each(|last| last.push_str(children));
    }
    if !scope.cpus.is_empty() {
        parts.push(format!(
            "CPUs {}",
            ranges(scope.cpus.iter().map(|cpu| cpu.0))
        ));
    }
    if !scope.nodes.is_empty() {
        parts.push(format!(
            "nodes {}",
            ranges(scope.nodes.iter().map(|node| u32::from(node.0)))
        ));
    }
    if parts.is_empty() {
        "the whole system".into()
    } else {
        parts.join(", ")
    }
}

/// Names side by side, escaped.
fn words(names: &[Name], between: &str) -> String {
    let words: Vec<_> = names
        .iter()
        .map(|name| escape::text(name.as_bytes()))
        .collect();
    words.join(between)
}

/// A command line as far as it helps to recognise it; the whole one is in the JSON report.
fn shortened(mut line: String) -> String {
    if let Some((cut, _)) = line.char_indices().nth(COMMAND) {
        line.truncate(cut);
        line.push('…');
    }
    line
}
