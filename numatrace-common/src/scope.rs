//! Scope: the processes that a session is limited to.

use bytemuck::{Pod, Zeroable};

/// Value of the scope map, keyed by process id.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct ScopeEntry {
    /// Start of the process in clock ticks since boot, as in field 22 of `/proc/PID/stat`: a reused
    /// pid does not inherit a scope.
    pub start_ticks: u64,
    /// 0 while a launched command has not yet called exec, 1 from then on.
    pub active: u32,
    /// Zero.
    pub reserved: u32,
}

/// Nanoseconds per clock tick (`USER_HZ` is 100 on every architecture supported).
pub const NS_PER_TICK: u64 = 10_000_000;

const _: () = assert!(size_of::<ScopeEntry>() == 16);
