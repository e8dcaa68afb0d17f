//! Absences: times that threads spent on other nodes than the one that holds most of their
//! process's memory.
//!
//! A thread is absent from its move away from the home node up to its move back, or up to its end.
//! Home is the node with more than half of the process's memory at the time of the move away
//! ([`home`](super::home)), as far as the memory is known when the absence is judged: at its end,
//! or when a screen asks for open absences.
//!
//! One engine ([`process`]) has two ways in. [`live`] feeds it sweep by sweep, for `top` and
//! `events`; [`replay`] feeds it a [timeline](super::timeline), for the report. Both add the counts
//! of a sweep before they apply the events since the sweep before it, in order of time. So the same
//! input has the same absences either way, field by field. What differs is the input:
//!
//! - `top` and `events` know the memory that was touched or moved since they began. A report that
//!   read where memory lies (`residency`) knows all memory of a process; without that, the report
//!   of an interval (`-i`) knows the memory of that interval only.
//! - A record that comes later than the sweep after its event keeps its place in the order of a
//!   report; live, it counts from its arrival on. Runs of page moves on a quiet CPU come that late.
//! - A report knows from its totals that pages were moved whose records were lost, and places these
//!   moves at its beginning.

pub mod evidence;
pub mod live;
mod memory;
mod process;
pub mod replay;
pub mod spent;
mod thread;

use crate::{
    decode::count::{MoveReason, NodePair},
    enrich::process::ProcessIndex,
    fold::area::Thread,
};
use spent::Spent;

/// One absence of a thread from its process's home node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absence {
    /// The process.
    pub process: ProcessIndex,
    /// The thread.
    pub thread: Thread,
    /// Nodes: home, and the one it moved to first.
    pub nodes: NodePair,
    /// Why it left.
    pub reason: MoveReason,
    /// When it left, ns since boot.
    pub left_ns: u64,
    /// When it came back or ended, ns since boot; `None` while it is absent.
    pub ended_ns: Option<u64>,
    /// Why it came back; `None` while it is absent, or when it ended there.
    pub back: Option<MoveReason>,
    /// Base pages of the process on its home node when it left, with all that the sweep after it
    /// counted.
    pub pages_left: u64,
    /// Of these, pages that the sweep before it had counted: the others may have been touched after
    /// the thread left.
    pub pages_left_least: u64,
    /// Base pages that were moved meanwhile from there to the node it had moved to.
    pub pages_followed: u64,
    /// CPU time and remote faults of the thread during the absence.
    pub spent: Spent,
}
