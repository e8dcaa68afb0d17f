//! A system call about memory policy or CPU affinity failed.

use bytemuck::{Pod, Zeroable};

use crate::{
    event::NodeSet,
    header::{Header, Record},
    kind::Kind,
};

/// The call.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum PolicyCall {
    /// mbind(2); arguments: address, length, mode and its flags, flags.
    Mbind = 0,
    /// set_mempolicy(2); arguments: mode and its flags.
    SetMempolicy = 1,
    /// set_mempolicy_home_node(2); arguments: address, length, node, flags.
    SetMempolicyHomeNode = 2,
    /// move_pages(2); arguments: process, pages, flags, first of the nodes asked for.
    MovePages = 3,
    /// migrate_pages(2); arguments: process.
    MigratePages = 4,
    /// sched_setaffinity(2); arguments: thread. The set is one of CPUs.
    SchedSetaffinity = 5,
}

impl PolicyCall {
    /// Every call, in the order of their numbers.
    pub const ALL: [PolicyCall; 6] = [
        PolicyCall::Mbind,
        PolicyCall::SetMempolicy,
        PolicyCall::SetMempolicyHomeNode,
        PolicyCall::MovePages,
        PolicyCall::MigratePages,
        PolicyCall::SchedSetaffinity,
    ];
}

/// A call was refused.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct PolicyRefused {
    /// When and on which CPU.
    pub header: Header,
    /// Start of the calling thread, ns since boot.
    pub start_ns: u64,
    /// The calling thread.
    pub tid: u32,
    /// Its process.
    pub tgid: u32,
    /// A [`PolicyCall`].
    pub call: u32,
    /// Error number, positive.
    pub errno: u32,
    /// Arguments that matter, see [`PolicyCall`]; zeros behind them.
    pub args: [u64; 4],
    /// Node of the CPU.
    pub cpu_node: u32,
    /// 1 when a seccomp filter refused it, else 0.
    pub filtered: u32,
    /// Nodes (or CPUs) asked for, up to number 1,023.
    pub set: NodeSet,
    /// Nodes of the thread's cpuset.
    pub allowed: NodeSet,
    /// The user stack by its number, or a negative error number.
    pub stack: i64,
    /// The word at the stack pointer in user mode: the return address of a system call's wrapper
    /// that has no stack frame of its own, which the stack lacks. 0 when it cannot be read.
    pub caller: u64,
}

const _: () = assert!(size_of::<PolicyRefused>() == 352);

impl Record for PolicyRefused {
    const KIND: Kind = Kind::PolicyRefused;
}
