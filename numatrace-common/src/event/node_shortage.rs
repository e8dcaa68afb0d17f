//! A node that could not give a page that was wanted of it: the state of its zone at that moment.

use bytemuck::{Pod, Zeroable};

use crate::{
    event::NodeSet,
    header::{Header, Record},
    kind::Kind,
};

/// A request for a node was served by a different one. At most one record a CPU, second and kind
/// of request ([`SHORTAGE_KINDS`]).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct NodeShortage {
    /// When and on which CPU.
    pub header: Header,
    /// The node that was preferred.
    pub node: u32,
    /// Order of the request: 2^order base pages in one piece.
    pub order: u32,
    /// 1 for memory that may lie in a movable zone (of programs and files), 0 for the kernel's.
    pub movable: u32,
    /// Zero.
    pub reserved: u32,
    /// Free base pages of the preferred zone of the node.
    pub free_pages: u64,
    /// Its free blocks that are large enough for the request.
    pub blocks: u64,
    /// Base pages that it keeps back: its low watermark with its boost and the reserve for atomic
    /// requests. With less free, other nodes are tried; `u64::MAX` where the kernel does not tell.
    pub low_pages: u64,
    /// Nodes of the asking task's cpuset.
    pub allowed: NodeSet,
}

const _: () = assert!(size_of::<NodeShortage>() == 184);

/// Kinds of requests that have records of their own: single pages, larger blocks, each for programs
/// and for the kernel.
pub const SHORTAGE_KINDS: u32 = 4;

impl Record for NodeShortage {
    const KIND: Kind = Kind::NodeShortage;
}
