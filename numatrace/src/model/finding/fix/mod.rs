//! Fixes of findings: what to change, the commands that do it, and what to expect of them.
//!
//! A fix that does nothing costs more trust than none, so each command is one that works for the
//! process at hand: it replaces the placement that the process was started with, speaks of nodes
//! that have what it binds to, and moves nothing of a process that is gone. Where a program places
//! itself, that is said instead.

mod cgroup;
mod own;
mod place;
mod prefix;
mod program;
pub(in crate::model) mod shell;
mod start;

use serde::{Deserialize, Serialize};

use super::words;
use crate::ids::ranges;
use crate::model::{Host, Process, ProcessKind, Snapshot};

pub use own::{OwnBinds, unbind, unseen_policy};
pub use place::{Memory, Place};
pub use start::{group, on_cpus, run, start, starts, widen};

/// One way to do away with a finding, or to learn more about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fix {
    /// Kind of change.
    pub kind: FixKind,
    /// Target of the change: a process, a service, a container, a kernel setting.
    #[serde(default)]
    pub target: String,
    /// The change in words.
    pub text: String,
    /// Commands for a POSIX shell that make the change, in this order; empty where only people can.
    #[serde(default)]
    pub commands: Vec<String>,
    /// Difference afterwards; empty when nothing changes.
    #[serde(default)]
    pub expect: String,
}

/// Kind of change that a fix makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FixKind {
    /// The command that starts the program.
    RunCommand,
    /// The node of pages that exist.
    MovePages,
    /// The calls by which the program places itself.
    Unbind,
    /// Properties of a systemd unit.
    Service,
    /// The cpuset of a container.
    Container,
    /// A kernel setting.
    Sysctl,
    /// The source of the program.
    Program,
    /// Another file or cgroup setting of the machine, or its hardware.
    Machine,
    /// Nothing: it shows more.
    Look,
    /// A kind that a later version added.
    #[serde(other)]
    Other,
}

impl Fix {
    /// A fix that only people can make.
    pub fn advice(kind: FixKind, target: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            kind,
            target: target.into(),
            text: text.into(),
            commands: Vec::new(),
            expect: String::new(),
        }
    }

    /// A change of the program's source.
    pub fn program(process: &Process, text: impl Into<String>) -> Self {
        Self::advice(FixKind::Program, words::process(process), text)
    }

    /// A look at something.
    pub fn look(target: impl Into<String>, text: impl Into<String>, command: &str) -> Self {
        Self::advice(FixKind::Look, target, text).with(command)
    }

    /// Where no node has what a start or a move needs.
    pub(super) fn nothing_to_do() -> Self {
        let text = "nothing can be started or moved there; what each node has";
        Self::look("this machine", text, "numatrace topology")
    }

    /// NUMA balancing off.
    pub fn balancing_off(text: &str) -> Self {
        Self::advice(FixKind::Sysctl, "kernel.numa_balancing", text)
            .with("sysctl kernel.numa_balancing=0")
            .expecting("NUMA balancing samples and moves nothing any more, on the whole machine")
    }

    /// Adds a command.
    #[must_use]
    pub fn with(mut self, command: impl Into<String>) -> Self {
        self.commands.push(command.into());
        self
    }

    /// Says what is different afterwards.
    #[must_use]
    pub fn expecting(mut self, expect: impl Into<String>) -> Self {
        self.expect = expect.into();
        self
    }

    /// Returns the fix as one clause.
    fn clause(&self) -> String {
        if self.commands.is_empty() {
            return self.text.clone();
        }
        format!("{}: {}", self.text, self.commands.join("; then "))
    }
}

/// Returns fixes as one sentence.
pub fn sentence(fixes: &[Fix]) -> String {
    let mut text = String::new();
    for fix in fixes {
        if !text.is_empty() {
            let also = fix.kind == FixKind::Look;
            text.push_str(if also { "; " } else { "; or " });
        }
        text.push_str(&fix.clause());
    }
    text
}

/// Says how to move what a process has on some nodes to another one. `None` when it has ended, when
/// the node has no memory, or when there is nothing to move from.
pub fn move_pages(
    host: &Host,
    process: &Process,
    (from, to): (&[usize], usize),
    text: impl Into<String>,
) -> Option<Fix> {
    let gone = process.ended == Some(true) || process.kind != ProcessKind::User;
    let from: Vec<usize> = from.iter().copied().filter(|node| *node != to).collect();
    if gone || from.is_empty() || !has_memory(host, to) {
        return None;
    }
    let (left, there) = (
        words::node_list(host, from.iter().copied()),
        words::node_list(host, [to]),
    );
    if left.is_empty() || there.is_empty() {
        return None;
    }
    Some(
        Fix::advice(FixKind::MovePages, words::process(process), text)
            .with(format!("migratepages {} {left} {there}", process.pid))
            .expecting(format!(
                "its pages of {} are on {}, as far as that has room",
                words::nodes(host, from),
                words::nodes(host, [to])
            )),
    )
}

/// Returns whether a node has memory, as far as that is known.
pub fn has_memory(host: &Host, position: usize) -> bool {
    host.nodes
        .get(position)
        .is_some_and(|node| node.mem_kb != Some(0))
}

/// Returns whether a node has CPUs, as far as that is known: reports may know those of no node.
fn has_cpus(host: &Host, position: usize) -> bool {
    let unknown = host.nodes.iter().all(|node| node.cpus.is_empty());
    let node = host.nodes.get(position);
    node.is_some_and(|node| unknown || !node.cpus.is_empty())
}

/// Returns the CPUs of nodes in the kernel's list format.
fn cpus(host: &Host, positions: &[usize]) -> String {
    let nodes = positions.iter().filter_map(|at| host.nodes.get(*at));
    let mut cpus: Vec<u32> = nodes.flat_map(|node| &node.cpus).map(|cpu| cpu.0).collect();
    cpus.sort_unstable();
    ranges(cpus)
}

/// Returns the launched command's process.
fn is_launched(snapshot: &Snapshot, process: &Process) -> bool {
    !snapshot.session.scope.launched.is_empty()
        && snapshot
            .focus()
            .is_some_and(|focus| std::ptr::eq(focus, process))
}
