//! One line of `numatrace events`: an event with its process, its nodes and its reason
//! (docs/events.md).
//!
//! A stream is a document of its own, `numatrace.events/1`. A field that does not apply to a kind
//! of event is left out; one that applies and was not measured is `null`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    hooks::Hook,
    mapping::{Addr, MappingKind},
    name::Name,
};
use crate::ids::{CpuId, NodeId, Pid, Tid};

/// Name and version of the document; the first line of a stream has it.
pub const SCHEMA: &str = "numatrace.events/1";

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Line {
    /// The first line: machine and hooks.
    Session(Box<Session>),
    /// An event.
    Event(Box<Event>),
    /// A gap: events that are missing from the stream.
    Lost(Lost),
}

/// The first line of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// Start of the stream.
    pub time: Timestamp,
    /// Kernel release, as `uname -r`.
    pub kernel: String,
    /// Bytes of a base page.
    pub page_size: u64,
    /// Nodes of the machine.
    pub nodes: Vec<NodeId>,
    /// Each hook family with its state: one that is not attached yields no events.
    pub hooks: Vec<Hook>,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Time of the event; for events counted together, time of the count.
    pub time: Timestamp,
    /// Kind of the event.
    pub kind: Kind,
    /// From node: node of the allocating, touching or accessing CPU; node that was left.
    pub from: NodeId,
    /// To node: node of the page; destination of a move.
    pub to: NodeId,
    /// The process; 0 for interrupts and for memory that no process has mapped.
    pub pid: Pid,
    /// The thread; `None` where an event belongs to the process as a whole.
    pub tid: Option<Tid>,
    /// Name of the thread, or of the process.
    pub comm: Name,
    /// Cause of remote allocations, or reason of a move or migration, named as in the report;
    /// `None` when there is none or it is not known.
    pub reason: Option<String>,
    /// Base pages allocated, touched or migrated; in an incident, base pages on the node that the
    /// thread left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<u64>,
    /// Allocations or hinting faults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Base pages that hinting faults migrated, or that followed a thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migrated: Option<u64>,
    /// The preferred node of an allocation that got a page of a different one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<NodeId>,
    /// CPUs of a move: from, to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<[CpuId; 2]>,
    /// The mapping that was touched or accessed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<Place>,
    /// The process that requested a migration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_by: Option<Pid>,
    /// A different process than the one that has the memory, which touched it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub touched_by: Option<Pid>,
    /// Length of a thread's absence, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away_ms: Option<f64>,
    /// Reason of the thread's return; left out when it ended there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<String>,
    /// Process that asked for the allocation, when somebody was killed for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_by: Option<Pid>,
    /// The call that was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// Name of its error number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<String>,
    /// Its cause, as far as the arguments tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Size of a huge page in KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_kb: Option<u64>,
    /// Time in searches for memory, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<f64>,
}

impl Event {
    /// Returns an event without any of the parts that only some kinds have.
    pub(crate) fn new(
        time: Timestamp,
        kind: Kind,
        (from, to): (NodeId, NodeId),
        pid: Pid,
        tid: Option<Tid>,
        comm: Name,
    ) -> Self {
        Self {
            time,
            kind,
            from,
            to,
            pid,
            tid,
            comm,
            reason: None,
            pages: None,
            count: None,
            migrated: None,
            wanted: None,
            cpus: None,
            mapping: None,
            moved_by: None,
            touched_by: None,
            away_ms: None,
            back: None,
            asked_by: None,
            call: None,
            errno: None,
            why: None,
            page_kb: None,
            took_ms: None,
        }
    }
}

/// A range of addresses in a mapping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Kind of the mapping; `None` when the hook does not see it.
    pub kind: Option<MappingKind>,
    /// Name of the mapping; `None` when it could not be read.
    pub name: Option<Name>,
    /// Lowest address.
    pub low: Addr,
    /// Address after the highest page.
    pub high: Addr,
}

/// Events that did not reach the reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// Time at which the loss was noticed.
    pub time: Timestamp,
    /// Always `lost`.
    pub kind: LostKind,
    /// Reason of the loss.
    pub reason: LostReason,
    /// Events lost since the last such line with this reason.
    pub count: u64,
    /// `count` by kind of event, where that is known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_kind: BTreeMap<String, u64>,
}

/// The one kind of a [`Lost`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LostKind {
    /// `lost`.
    #[default]
    Lost,
}

/// Why events are missing from the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LostReason {
    /// The reader of the stream was too slow.
    SlowReader,
    /// The ring buffer was full, or the bounded list of live events behind it.
    RingFull,
    /// Records were malformed.
    Malformed,
}

impl LostReason {
    /// Returns the reason in words.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::SlowReader => "the reader was too slow",
            Self::RingFull => "a buffer was full",
            Self::Malformed => "their records were malformed",
        }
    }
}

/// Kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Page allocations of one thread with the same nodes and cause, since the last sweep.
    Alloc,
    /// A run of first touches.
    FirstTouch,
    /// A run of NUMA hinting faults.
    HintFault,
    /// Pages of a process changed their node.
    PageMigration,
    /// A thread changed its node.
    TaskMove,
    /// An absence: a thread ran on a different node from its process's memory.
    Incident,
    /// A process was killed because memory was short.
    OomKill,
    /// A thread looked for memory to give back, since the last look.
    Reclaim,
    /// An allocation failed for good.
    AllocFailed,
    /// A huge page that a pool could not give.
    HugetlbFailed,
    /// A call about memory policy or CPU affinity was refused.
    PolicyRefused,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::Alloc,
        Self::FirstTouch,
        Self::HintFault,
        Self::PageMigration,
        Self::TaskMove,
        Self::Incident,
        Self::OomKill,
        Self::Reclaim,
        Self::AllocFailed,
        Self::HugetlbFailed,
        Self::PolicyRefused,
    ];

    /// Returns the name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Alloc => "alloc",
            Self::FirstTouch => "first_touch",
            Self::HintFault => "hint_fault",
            Self::PageMigration => "page_migration",
            Self::TaskMove => "task_move",
            Self::Incident => "incident",
            Self::OomKill => "oom_kill",
            Self::Reclaim => "reclaim",
            Self::AllocFailed => "alloc_failed",
            Self::HugetlbFailed => "hugetlb_failed",
            Self::PolicyRefused => "policy_refused",
        }
    }
}

/// Selects events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Kinds to pass; empty is all.
    pub kinds: Vec<Kind>,
    /// Nodes, one of which an event must have at either end; empty is all.
    pub nodes: Vec<NodeId>,
    /// Passes only events between two different nodes.
    pub cross_node_only: bool,
    /// Least number of pages; hinting faults count as one page each, moves of threads have none and
    /// pass.
    pub min_pages: u64,
    /// Names of processes or threads; empty is all.
    pub comms: Vec<String>,
}

impl Filter {
    /// Returns whether an event passes everything but the names, which cost a look-up.
    #[must_use]
    pub fn passes(&self, kind: Kind, nodes: (NodeId, NodeId), pages: Option<u64>) -> bool {
        let (from, to) = nodes;
        (self.kinds.is_empty() || self.kinds.contains(&kind))
            && (self.nodes.is_empty() || self.nodes.contains(&from) || self.nodes.contains(&to))
            && (!self.cross_node_only || from != to)
            && pages.is_none_or(|pages| pages >= self.min_pages)
    }

    /// Returns whether a name passes.
    #[must_use]
    pub fn wants_name(&self, comm: &Name) -> bool {
        self.comms.is_empty()
            || self
                .comms
                .iter()
                .any(|wanted| wanted.as_bytes() == comm.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_kinds_are_their_json_names() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }

    #[test]
    fn a_filter_checks_kind_nodes_and_pages() {
        let pass = |filter: &Filter, kind, from, to, pages| {
            filter.passes(kind, (NodeId(from), NodeId(to)), pages)
        };
        let all = Filter::default();
        assert!(pass(&all, Kind::Alloc, 0, 0, Some(1)));
        let cross = Filter {
            cross_node_only: true,
            min_pages: 10,
            ..Filter::default()
        };
        assert!(!pass(&cross, Kind::Alloc, 0, 0, Some(100)));
        assert!(!pass(&cross, Kind::Alloc, 0, 1, Some(9)));
        assert!(pass(&cross, Kind::Alloc, 0, 1, Some(10)));
        assert!(pass(&cross, Kind::TaskMove, 0, 1, None));
        let some = Filter {
            kinds: vec![Kind::TaskMove],
            nodes: vec![NodeId(2)],
            ..Filter::default()
        };
        assert!(pass(&some, Kind::TaskMove, 2, 0, None));
        assert!(pass(&some, Kind::TaskMove, 0, 2, None));
        assert!(!pass(&some, Kind::TaskMove, 0, 1, None));
        assert!(!pass(&some, Kind::Alloc, 2, 2, Some(1)));
    }
}
