//! The counts of a sweep that absences are judged by.

use super::spent::Spent;
use crate::{
    decode::count::CountKind,
    enrich::{Charged, Observation, process::ProcessIndex},
    fold::area::Thread,
    ids::NodeId,
};

/// A count of one thread that matters for absences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The process.
    pub process: ProcessIndex,
    /// The thread.
    pub thread: Thread,
    /// The node that it is about.
    pub node: NodeId,
    /// The pages, time or faults.
    pub what: EvidenceKind,
}

/// The kinds of such counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvidenceKind {
    /// Base pages that the process touched first, which lie on the node.
    Touched(u64),
    /// CPU time and remote faults of the thread while it ran on the node.
    Spent(Spent),
}

impl Evidence {
    /// Returns a count as evidence; `None` when it does not matter for absences.
    pub fn of(count: &Observation) -> Option<Self> {
        let Charged::Thread {
            process,
            tid,
            start_ns,
        } = count.charged
        else {
            return None;
        };
        let (node, what) = match count.what {
            CountKind::FirstTouch(key) if !key.withdrawn => {
                (key.nodes.1, EvidenceKind::Touched(count.amount))
            }
            CountKind::TaskRun(node) => {
                let spent = Spent {
                    ran_ns: count.amount,
                    ..Spent::default()
                };
                (node, EvidenceKind::Spent(spent))
            }
            CountKind::HintFault((node, page)) if node != page => {
                let spent = Spent {
                    remote_faults: count.count,
                    ..Spent::default()
                };
                (node, EvidenceKind::Spent(spent))
            }
            _ => return None,
        };
        Some(Self {
            process,
            thread: (tid, start_ns),
            node,
            what,
        })
    }
}
