//! Sizes and bounds, each with its reason.

/// Kernel `TASK_COMM_LEN`: 15 bytes and a zero, on every kernel so far.
pub const COMM_LEN: usize = 16;

/// Bytes of an exec path that are kept: long enough for nearly all, short enough for a record on
/// the BPF side.
pub const FILENAME_LEN: usize = 128;

/// Most NUMA nodes that a kernel can have: `NODES_SHIFT` is at most 10 (arch Kconfigs), and a count
/// key has ten bits for each.
pub const MAX_NODES: u16 = 1024;

/// Bins of a slot: different count keys that one thread can mix before a flush. User, page-table
/// and kernel pages on two nodes fit.
pub const BINS: usize = 8;

/// Owners × count keys that the kernel keeps before `[overflow]` takes the rest. A thread uses 3 to
/// 10; 10,000 processes fit.
pub const TOTALS_ENTRIES: u32 = 131_072;

/// Returns the owners × count keys for a machine. While a boundary is read, in some twenty epochs,
/// each CPU adds entries for the threads that run on it in every epoch, on each node.
pub const fn totals_entries(cpus: u32, nodes: u32) -> u32 {
    const EACH: u32 = 128;
    let busy = cpus.saturating_mul(nodes).saturating_mul(EACH);
    let entries = if busy > TOTALS_ENTRIES {
        busy
    } else {
        TOTALS_ENTRIES
    };
    if entries > MOST_TOTALS {
        MOST_TOTALS
    } else {
        entries.next_power_of_two()
    }
}

/// Most entries of the totals on any machine: about 100 MiB.
const MOST_TOTALS: u32 = 1 << 20;

/// Count keys of `[overflow]`: every (node pair, class, cause) that a machine can show at once,
/// with room for its epochs.
pub const OVERFLOW_ENTRIES: u32 = 8_192;

/// Processes in a scoped session at one time.
pub const SCOPE_ENTRIES: u32 = 65_536;

/// Bytes of the ring: about 150,000 short records, many times what a storm of 5,000 fork+exec+exit
/// leaves between two drains.
pub const RING_BYTES: u32 = 16 << 20;

/// Threads in `migrate_pages` at one time: one per CPU and many that wait for a lock in it.
pub const MIGRATING_ENTRIES: u32 = 4_096;

/// Bulk allocations under way at one time: one per CPU and some that were preempted.
pub const BULK_ENTRIES: u32 = 4_096;

/// Threads that were switched out in the middle of a page fault, or between the two copies of a
/// program.
pub const PARKED_ENTRIES: u32 = 16_384;

/// CPUs in the table of their nodes: `NR_CPUS` of distributions' x86 kernels (`CONFIG_MAXSMP`).
pub const MAX_CPUS: u32 = 8_192;

/// Threads that crossed nodes, called exec or sched_setaffinity, and still live: beyond it, stays
/// on a node and marks are not seen.
pub const MOVER_ENTRIES: u32 = 65_536;

/// Frames of a move's kernel stack that are kept: those that show the way to `set_task_cpu` are
/// among the innermost dozen, below the ones that the tracepoint adds.
pub const MOVE_FRAMES: usize = 24;

/// Threads in a hinting fault or a scan of the NUMA balancer at one time: one per CPU and many that
/// wait.
pub const BALANCING_ENTRIES: u32 = 4_096;

/// Threads in reclaim or compaction at one time: one per CPU and many that wait for a disk.
pub const RECLAIMING_ENTRIES: u32 = 8_192;

/// Records of failures of one kind that a CPU writes within a second: a program that fails in a
/// loop must not push other records out of the ring. What comes beyond is counted as lost.
pub const FAILURES_PER_SECOND: u32 = 512;

/// User stacks kept in sessions that want none of first touches: those of refused calls.
pub const FEW_STACKS: u32 = 256;

/// Different user stacks kept: a program touches its memory from some hundreds of places.
pub const STACK_ENTRIES: u32 = 16_384;

/// Frames of a stack that are kept: the kernel's own bound (`kernel.perf_event_max_stack`) is 127.
pub const STACK_FRAMES: usize = 127;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_machines_have_more_room_for_totals() {
        assert_eq!(totals_entries(4, 2), TOTALS_ENTRIES);
        assert_eq!(totals_entries(256, 8), 1 << 18);
        assert_eq!(totals_entries(8_192, 1_024), MOST_TOTALS);
    }
}
