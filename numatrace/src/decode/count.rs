//! Typed counts: what an entry of the totals says.

use numatrace_common::{
    cell::{AllocClass, Cell, RemoteCause, Stem},
    totals::{IRQ, OUT_OF_SCOPE, OVERFLOW, TotalKey, TotalValue},
};

use crate::ids::{NodeId, Pid, Tid};

/// Whose an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Owner {
    /// A thread of a process.
    Thread(ThreadId),
    /// An interrupt.
    Irq,
    /// Something outside the session's scope.
    OutOfScope,
    /// Somebody the table had no room for.
    Overflow,
}

/// A thread, told from an earlier one with the same number by its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ThreadId {
    /// Its process.
    pub pid: Pid,
    /// Its own number.
    pub tid: Tid,
    /// Its start, ns since boot.
    pub start_ns: u64,
}

impl Owner {
    /// The owner part of a key or a run.
    pub fn new(tgid: u32, tid: u32, start_ns: u64) -> Self {
        match tgid {
            IRQ => Owner::Irq,
            OUT_OF_SCOPE => Owner::OutOfScope,
            OVERFLOW => Owner::Overflow,
            pid => Owner::Thread(ThreadId {
                pid: Pid(pid),
                tid: Tid(tid),
                start_ns,
            }),
        }
    }
}

/// What an allocation count is about: everything the six numastat counters follow from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AllocCell {
    /// Node of the allocating CPU.
    pub task_node: NodeId,
    /// Node of the pages.
    pub page_node: NodeId,
    /// Node of the preferred zone; `None` on the fallback hook.
    pub preferred: Option<NodeId>,
    /// Size and use; `None` for a number this version does not know.
    pub class: Option<AllocClass>,
    /// Why it is remote or missed its node; `None` for a number this version does not know.
    pub cause: Option<RemoteCause>,
    /// Mode of the policy when that is the cause (include/uapi/linux/mempolicy.h).
    pub policy_mode: u8,
}

impl AllocCell {
    /// The cell of an allocation, without its epoch.
    pub fn new(cell: Cell) -> Self {
        Self {
            task_node: NodeId(cell.task_node()),
            page_node: NodeId(cell.page_node()),
            preferred: cell.preferred_node().map(NodeId),
            class: AllocClass::ALL.get(usize::from(cell.class())).copied(),
            cause: RemoteCause::ALL.get(usize::from(cell.cause())).copied(),
            policy_mode: cell.mark(),
        }
    }
}

/// One count out of the totals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Epoch it was counted in, in full.
    pub epoch: u64,
    /// Whose.
    pub owner: Owner,
    /// What.
    pub what: What,
    /// Events.
    pub count: u64,
    /// What they add up to: pages.
    pub amount: u64,
}

/// What a count is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Page allocations.
    Alloc(AllocCell),
    /// Allocations that an interleave policy placed as intended, by page node.
    InterleaveHit(NodeId),
}

impl What {
    /// The node whose reading decides on which side of a cut it lies.
    pub fn page_node(&self) -> NodeId {
        match self {
            What::Alloc(cell) => cell.page_node,
            What::InterleaveHit(node) => *node,
        }
    }
}

/// Decodes an entry of the totals; the stem's number comes back when no stem has it.
///
/// # Errors
/// The unknown stem.
pub fn decode_count(epoch: u64, key: &TotalKey, value: &TotalValue) -> Result<Count, u8> {
    let what = match key.cell.stem() {
        stem if stem == Stem::PageAlloc as u8 => What::Alloc(AllocCell::new(key.cell)),
        stem if stem == Stem::InterleaveHit as u8 => {
            What::InterleaveHit(NodeId(key.cell.page_node()))
        }
        stem => return Err(stem),
    };
    Ok(Count {
        epoch,
        owner: Owner::new(key.tgid, key.tid, key.start_ns),
        what,
        count: value.count,
        amount: value.amount,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pseudo_owners_are_no_processes() {
        assert_eq!(Owner::new(0, 0, 0), Owner::Irq);
        assert_eq!(Owner::new(u32::MAX, 0, 0), Owner::OutOfScope);
        assert_eq!(Owner::new(u32::MAX - 1, 0, 0), Owner::Overflow);
        assert!(matches!(Owner::new(1, 1, 5), Owner::Thread(_)));
    }

    #[test]
    fn a_stem_of_a_later_version_is_rejected_by_number() {
        let key = TotalKey {
            cell: Cell(31 << 59),
            ..TotalKey::default()
        };
        assert_eq!(decode_count(1, &key, &TotalValue::default()), Err(31));
    }
}
