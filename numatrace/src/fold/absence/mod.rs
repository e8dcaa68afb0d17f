//! Absences: threads that ran on other nodes than the one that holds most of their process's
//! memory.
//!
//! A thread is absent from the move away from its home node up to the move back, or up to its end.
//! Home is the node with more than half of the process's memory when the thread left ([`home`]), by
//! what is known of the memory when the absence is judged. It is judged when it ends, or when
//! somebody asks while it lasts.
//!
//! One engine ([`process`]) serves two ways in: [`live`] feeds it sweep by sweep for `top` and
//! `events`, [`replay`] feeds it a whole [timeline](super::timeline) for the report. Both add what
//! a sweep counted before they apply the events since the sweep before, in order of time; so the
//! same session has the same absences either way, with three exceptions:
//!
//! - `top` and `events` know of memory only what was touched or moved since they began, a report
//!   with `--residency` also what the process had before.
//! - A record that comes later than the sweep after it keeps its place in the report's order; live,
//!   it counts from its arrival on. Runs of page moves that lie open on a quiet CPU come that late.
//! - A report adds moves of pages whose records were lost, which only its totals know, to the
//!   beginning.
//!
//! [`home`]: super::home

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
    /// Base pages of the process on its home node when it left.
    pub pages_left: u64,
    /// Base pages that were moved meanwhile from there to the node it had moved to.
    pub pages_followed: u64,
    /// What the thread spent meanwhile.
    pub spent: Spent,
}
