//! Notes of the kernel side on threads and CPUs, from which the reason of a task's move follows.

use bytemuck::{Pod, Zeroable};

/// Notes on a thread between two of its moves, by thread id.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Mover {
    /// Start of the thread, ns since boot: thread ids are reused.
    pub start_ns: u64,
    /// CPU that NUMA balancing is about to move it to, plus one; 0 when it is not.
    pub numa_cpu: u32,
    /// Node that its last cross-node move left, plus one; 0 before the first.
    pub came_from: u16,
    /// Bits [`BY_AFFINITY`], [`IN_AFFINITY`], [`IN_EXEC`], [`NUMA_SWAP`].
    pub state: u16,
    /// Time of its last cross-node move, ns since boot (`CLOCK_BOOTTIME`); 0 before the first.
    pub crossed_ns: u64,
    /// Hinting faults on pages of other nodes since then.
    pub remote_faults: u64,
}

const _: () = assert!(size_of::<Mover>() == 32);

/// Bit of [`Mover::state`]: the last change of its CPU mask came from sched_setaffinity(2).
pub const BY_AFFINITY: u16 = 1;
/// Bit of [`Mover::state`]: a sched_setaffinity(2) for it is under way.
pub const IN_AFFINITY: u16 = 2;
/// Bit of [`Mover::state`]: it is in `sched_exec`.
pub const IN_EXEC: u16 = 4;
/// Bit of [`Mover::state`]: [`Mover::numa_cpu`] comes from a swap.
pub const NUMA_SWAP: u16 = 8;

/// An entry of the CPU table: the CPU's node plus one in the lower 16 bits, the number of its
/// last-level cache plus one in the 15 bits above, each 0 when not known, and [`CPU_LEAVING`].
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct CpuEntry(pub u32);

/// Bit of a [`CpuEntry`]: the CPU is on its way offline, or has gone.
pub const CPU_LEAVING: u32 = 1 << 31;

/// First bit of the cache's number in a [`CpuEntry`].
const CACHE_SHIFT: u32 = 16;
/// Largest number of a cache plus one: there are at most as many caches as CPUs, 8,192.
const CACHE_MASK: u32 = 0x7fff;

impl CpuEntry {
    /// Returns the entry of a CPU that is online on a node.
    #[inline(always)]
    pub const fn on(node: u16) -> Self {
        CpuEntry(node as u32 + 1)
    }

    /// Returns its node, `None` when not known.
    #[inline(always)]
    pub const fn node(self) -> Option<u16> {
        match self.0 & 0xffff {
            0 => None,
            #[expect(clippy::cast_possible_truncation, reason = "masked to 16 bits")]
            node => Some((node - 1) as u16),
        }
    }

    /// Returns the entry of the same CPU with the number of its last-level cache; without one where
    /// the number has no room.
    #[inline(always)]
    pub const fn with_cache(self, cache: u32) -> Self {
        let cleared = self.0 & !(CACHE_MASK << CACHE_SHIFT);
        if cache < CACHE_MASK {
            CpuEntry(cleared | (cache + 1) << CACHE_SHIFT)
        } else {
            CpuEntry(cleared)
        }
    }

    /// Returns the number of its last-level cache plus one, 0 when not known.
    #[inline(always)]
    pub const fn cache_plus_one(self) -> u32 {
        self.0 >> CACHE_SHIFT & CACHE_MASK
    }

    /// Returns whether the CPU is on its way offline, or gone.
    #[inline(always)]
    pub const fn is_leaving(self) -> bool {
        self.0 & CPU_LEAVING != 0
    }

    /// Returns the entry of the same CPU, leaving.
    #[inline(always)]
    pub const fn leaving(self) -> Self {
        CpuEntry(self.0 | CPU_LEAVING)
    }

    /// Returns the entry of the same CPU, online.
    #[inline(always)]
    pub const fn online(self) -> Self {
        CpuEntry(self.0 & !CPU_LEAVING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_keeps_its_node_while_it_leaves() {
        let cpu = CpuEntry::on(1023);
        assert_eq!((cpu.node(), cpu.is_leaving()), (Some(1023), false));
        assert_eq!(
            (cpu.leaving().node(), cpu.leaving().is_leaving()),
            (Some(1023), true)
        );
        assert_eq!(cpu.leaving().online(), cpu);
        assert_eq!(CpuEntry::default().node(), None);
        assert_eq!(CpuEntry::on(0).node(), Some(0));
    }

    #[test]
    fn a_cache_touches_neither_node_nor_leaving() {
        let cpu = CpuEntry::on(1023);
        assert_eq!(cpu.cache_plus_one(), 0, "not known");
        let first = cpu.with_cache(0).leaving();
        assert_eq!(first.cache_plus_one(), 1);
        assert_eq!((first.node(), first.is_leaving()), (Some(1023), true));
        let other = first.with_cache(8191);
        assert_eq!(other.cache_plus_one(), 8192);
        assert_eq!((other.node(), other.is_leaving()), (Some(1023), true));
        let no_room = other.with_cache(CACHE_MASK);
        assert_eq!(no_room.cache_plus_one(), 0);
        assert_eq!((no_room.node(), no_room.is_leaving()), (Some(1023), true));
    }
}
