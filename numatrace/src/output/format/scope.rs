//! The scope of a session in words.

use crate::ids::ranges;
use crate::model::{Name, Session};
use crate::output::escape;

/// Characters of a launched command: two lines of a terminal.
const COMMAND: usize = 150;

/// Says which processes, CPUs and nodes a session covers; names are escaped.
#[must_use]
pub fn scope(session: &Session) -> String {
    let scope = &session.scope;
    let mut parts = Vec::new();
    if !scope.launched.is_empty() {
        parts.push(shortened(joined(&scope.launched, " ")));
    }
    if !scope.pids.is_empty() {
        let pids: Vec<String> = scope.pids.iter().map(ToString::to_string).collect();
        let noun = if pids.len() == 1 {
            "process"
        } else {
            "processes"
        };
        parts.push(format!("{noun} {}", pids.join(", ")));
    }
    if !scope.comms.is_empty() {
        parts.push(format!("processes named {}", joined(&scope.comms, ", ")));
    }
    if !scope.cgroups.is_empty() {
        parts.push(format!("cgroup {}", joined(&scope.cgroups, ", ")));
    }
    if let Some(last) = parts.last_mut() {
        last.push_str(if scope.children {
            " and children"
        } else {
            " without children"
        });
    }
    if !scope.cpus.is_empty() {
        let cpus = ranges(scope.cpus.iter().map(|cpu| cpu.0));
        parts.push(format!("CPUs {cpus}"));
    }
    if !scope.nodes.is_empty() {
        let nodes = ranges(scope.nodes.iter().map(|node| u32::from(node.0)));
        parts.push(format!("nodes {nodes}"));
    }
    if parts.is_empty() {
        "the whole system".into()
    } else {
        parts.join(", ")
    }
}

fn joined(names: &[Name], between: &str) -> String {
    let names: Vec<_> = names
        .iter()
        .map(|name| escape::text(name.as_bytes()))
        .collect();
    names.join(between)
}

/// Cuts a command line to the length that identifies it; the JSON report has all of it.
fn shortened(mut line: String) -> String {
    if let Some((end, _)) = line.char_indices().nth(COMMAND) {
        line.truncate(end);
        line.push('…');
    }
    line
}
