//! One line of `numatrace events`: something that happened, to whom, between which nodes, and why (docs/events.md).
//!
//! A document of its own beside the report: `numatrace.events/1`. What does not apply to a kind of event is left out; what applies and was not
//! measured is `null`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    hooks::Hook,
    mapping::{Addr, MappingKind},
    name::Name,
};
use crate::ids::{CpuId, NodeId, Pid, Tid};

/// The version of a line's shape; a stream begins with a line that says it.
pub const SCHEMA: &str = "numatrace.events/1";

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Line {
    /// What the stream is, and what it cannot tell: its first line.
    Session(Box<Session>),
    /// Something that happened.
    Event(Box<Event>),
    /// Events that did not get here.
    Lost(Lost),
}

/// The first line of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// When it began.
    pub time: Timestamp,
    /// Kernel release, as `uname -r`.
    pub kernel: String,
    /// Bytes of a base page.
    pub page_size: u64,
    /// The nodes there are.
    pub nodes: Vec<NodeId>,
    /// Each hook family and how it fared: what is absent makes no events.
    pub hooks: Vec<Hook>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When; for what was counted together, when it was counted.
    pub time: Timestamp,
    /// What it was.
    pub kind: Kind,
    /// From node: of the CPU that asked, touched or used; or the one that was left.
    pub from: NodeId,
    /// To node: of the page, or the one that was gone to.
    pub to: NodeId,
    /// Whose; 0 for interrupts and for memory nobody has mapped.
    pub pid: Pid,
    /// The thread; `None` where it is the process's.
    pub tid: Option<Tid>,
    /// Name of the thread, or of the process.
    pub comm: Name,
    /// Why: a cause of remote allocations, a reason of moves or migrations as the report names them; `None` when there is none or it is not known.
    pub reason: Option<String>,
    /// Base pages allocated, touched, moved; of an incident, those that lay where the thread had left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<u64>,
    /// Allocations or hinting faults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Pages that hinting faults moved, or that followed a thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migrated: Option<u64>,
    /// The node an allocation wanted, when it got another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<NodeId>,
    /// CPUs of a move: from, to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<[CpuId; 2]>,
    /// Where memory was touched or used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<Place>,
    /// Who asked for a migration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_by: Option<Pid>,
    /// How long an incident's thread was away, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away_ms: Option<f64>,
    /// Why it came back; left out when it ended there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<String>,
}

/// A stretch of memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// What kind of mapping; `None` when the hook does not tell.
    pub kind: Option<MappingKind>,
    /// Its name; `None` when nobody could look.
    pub name: Option<Name>,
    /// Lowest address.
    pub low: Addr,
    /// First address behind the highest page.
    pub high: Addr,
}

/// Events that did not get to the reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// When this was noticed.
    pub time: Timestamp,
    /// Always `lost`.
    pub kind: LostKind,
    /// Why.
    pub reason: LostReason,
    /// How many since the last such line with this reason.
    pub count: u64,
    /// The same by what they were, where that is known.
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
    /// Whoever reads the stream was too slow.
    SlowReader,
    /// The ring buffer had no room, or more happened at once than is kept.
    RingFull,
    /// Records made no sense.
    Malformed,
}

impl LostReason {
    /// As a person would say it.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::SlowReader => "the reader was too slow",
            Self::RingFull => "the ring buffer had no room for them",
            Self::Malformed => "their records made no sense",
        }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Page allocations of one thread that are alike, since the last look.
    Alloc,
    /// A run of first touches.
    FirstTouch,
    /// A run of NUMA hinting faults.
    HintFault,
    /// Pages of a process changed their node.
    PageMigration,
    /// A thread changed its node.
    TaskMove,
    /// A thread was away from its process's memory.
    Incident,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::Alloc,
        Self::FirstTouch,
        Self::HintFault,
        Self::PageMigration,
        Self::TaskMove,
        Self::Incident,
    ];

    /// Its name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Alloc => "alloc",
            Self::FirstTouch => "first_touch",
            Self::HintFault => "hint_fault",
            Self::PageMigration => "page_migration",
            Self::TaskMove => "task_move",
            Self::Incident => "incident",
        }
    }
}

/// Which events are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of these kinds; empty is all.
    pub kinds: Vec<Kind>,
    /// With one of these nodes at either end; empty is all.
    pub nodes: Vec<NodeId>,
    /// Between two different nodes.
    pub cross_node_only: bool,
    /// Of at least so many pages; hinting faults count as one page each, moves of threads have none and pass.
    pub min_pages: u64,
    /// Of processes or threads with one of these names; empty is all.
    pub comms: Vec<String>,
}

impl Filter {
    /// What can be told before anybody looks up names.
    #[must_use]
    pub fn passes(&self, kind: Kind, nodes: (NodeId, NodeId), pages: Option<u64>) -> bool {
        let (from, to) = nodes;
        (self.kinds.is_empty() || self.kinds.contains(&kind))
            && (self.nodes.is_empty() || self.nodes.contains(&from) || self.nodes.contains(&to))
            && (!self.cross_node_only || from != to)
            && pages.is_none_or(|pages| pages >= self.min_pages)
    }

    /// Is a name wanted?
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
    fn a_filter_looks_at_kind_nodes_and_pages() {
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
