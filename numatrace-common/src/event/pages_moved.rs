//! Pages that changed their node: a run of folios of one owner, in one call of the kernel's
//! `migrate_pages` or in consecutive calls.

use bytemuck::{Pod, Zeroable};

use crate::{
    event::mapping_run::Area,
    header::{Header, Record},
    kind::Kind,
};

/// Consecutive moves with one owner, in one mapping, with two nodes and one reason. The totals hold
/// the same counts.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct PagesMoved {
    /// Time of the end of the run.
    pub header: Header,
    /// Start time of the owner's first thread, ns since boot; 0 for a pseudo owner.
    pub start_ns: u64,
    /// That thread.
    pub tid: u32,
    /// The process whose memory it is, or a pseudo owner.
    pub tgid: u32,
    /// Process that asked for the move.
    pub asker: u32,
    /// Node the pages left.
    pub from: u16,
    /// Node they lie on now.
    pub to: u16,
    /// The kernel's `enum migrate_reason`.
    pub reason: u32,
    /// Folios.
    pub folios: u32,
    /// Base pages.
    pub pages: u64,
    /// Lowest address; with `high` 0 when addresses were not wanted.
    pub low: u64,
    /// First address behind the highest page.
    pub high: u64,
    /// The mapping that they belong to.
    pub area: Area,
}

const _: () = assert!(size_of::<PagesMoved>() == 120);

impl Record for PagesMoved {
    const KIND: Kind = Kind::PagesMoved;
}

/// The open run of a CPU, of calls that moved a single folio each. Userspace reads it when a
/// session ends.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct OpenMoved {
    /// Time at which it began, ns since boot; 0 when there is no run or one is being written.
    pub began_ns: u64,
    /// The record as it will be written: its time is that of the last move.
    pub run: PagesMoved,
}
