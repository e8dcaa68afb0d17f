//! Direct reclaim and compaction: how often a thread had to look for memory itself, how long that
//! took, and what it found. A storm of it must not flood the ring, so it is counted by thread.
//!
//! The nodes that `try_to_free_pages` is passed tell if a policy or a cpuset confined the search;
//! where functions cannot be attached to, the thread's own policy and cpuset tell. Reclaim for a
//! cgroup's limit has tracepoints of its own and is not counted: its memory is short on all nodes
//! alike.
//!
//! proto: 6.1..7.3: unsigned long try_to_free_pages(struct zonelist *zonelist, int order, gfp_t gfp_mask, nodemask_t *nodemask)
//! proto: 7.3..: unsigned long try_to_free_pages(struct zonelist *zonelist, int order, gfp_t gfp_mask, const nodemask_t *nodemask)
//! tp: 6.1..7.1: mm_vmscan_direct_reclaim_begin(int order, gfp_t gfp_flags)
//! tp: 7.1..: mm_vmscan_direct_reclaim_begin(gfp_t gfp_flags, int order, struct mem_cgroup *memcg)
//! tp: 6.1..7.1: mm_vmscan_direct_reclaim_end(unsigned long nr_reclaimed)
//! tp: 7.1..: mm_vmscan_direct_reclaim_end(unsigned long nr_reclaimed, struct mem_cgroup *memcg)
//! tp: 6.1..: mm_vmscan_node_reclaim_begin(int nid, int order, gfp_t gfp_flags)
//! tp: 6.1..7.1: mm_vmscan_node_reclaim_end(unsigned long nr_reclaimed)
//! tp: 7.1..: mm_vmscan_node_reclaim_end(unsigned long nr_reclaimed, struct mem_cgroup *memcg)
//! tp: 6.1..: mm_compaction_begin(struct compact_control *cc, unsigned long zone_start, unsigned long zone_end, bool sync)
//! tp: 6.1..: mm_compaction_end(struct compact_control *cc, unsigned long zone_start, unsigned long zone_end, bool sync, int status)

use aya_ebpf::{
    macros::{btf_tracepoint, fentry, map},
    maps::{HashMap, PerCpuArray},
    programs::{BtfTracePointContext, FEntryContext},
};
use numatrace_common::{
    count_key::{CountKey, LIMIT_CPUSET, LIMIT_NONE, LIMIT_POLICY, ReclaimKind, Stem},
    counters::Counter,
    event::NodeSet,
    limits::RECLAIMING_ENTRIES,
};

use crate::{
    clock,
    count::totals,
    counters::count,
    cpu,
    globals::global,
    kernel::{alloc_context::Nodemask, mempolicy::BIND, task::Task},
    who::owner::Owner,
};

/// A search under way.
#[repr(C)]
#[derive(Clone, Copy)]
struct Search {
    began_ns: u64,
    /// Kind, limit and node.
    count_key: CountKey,
}

/// By thread id and [`ReclaimKind`]: compaction and reclaim can be nested. Preallocated.
#[map]
static RECLAIMING: HashMap<u64, Search> = HashMap::with_max_entries(RECLAIMING_ENTRIES, 0);

/// The nodes that are looked at: too large for a program's stack.
#[map]
static RECLAIM_NODES: PerCpuArray<NodeSet> = PerCpuArray::with_max_entries(1, 0);

/// mm/vmscan.c; the only caller is the allocator, with the nodes of a policy or none. It waits here
/// for others' writes too, before the tracepoint.
#[fentry(function = "try_to_free_pages")]
pub fn direct_reclaim_enter(ctx: FEntryContext) -> u32 {
    let task = Task::current();
    let mask: *const u8 = ctx.arg(3);
    let limit = match Nodemask::from_nullable_arg(mask) {
        Some(mask) if !mask.is_cpuset_of(task) => limited(LIMIT_POLICY, |nodes| mask.copy(nodes)),
        _ => by_cpuset(task),
    };
    begin(task, ReclaimKind::Direct, limit);
    0
}

/// include/trace/events/vmscan.h
#[btf_tracepoint(function = "mm_vmscan_direct_reclaim_begin")]
pub fn direct_reclaim_begin(_ctx: BtfTracePointContext) -> u32 {
    let task = Task::current();
    // The function's own hook has begun it, and knows more.
    // SAFETY: only the thread itself writes and removes its entries.
    if unsafe { RECLAIMING.get(key(task, ReclaimKind::Direct)) }.is_none() {
        let policy = task.mempolicy();
        let limit = if policy.chosen_mode() == BIND {
            limited(LIMIT_POLICY, |nodes| policy.nodes(nodes))
        } else {
            by_cpuset(task)
        };
        begin(task, ReclaimKind::Direct, limit);
    }
    0
}

/// include/trace/events/vmscan.h
#[btf_tracepoint(function = "mm_vmscan_direct_reclaim_end")]
pub fn direct_reclaim_end(ctx: BtfTracePointContext) -> u32 {
    end(ReclaimKind::Direct, ctx.arg(0));
    0
}

/// include/trace/events/vmscan.h
#[btf_tracepoint(function = "mm_vmscan_node_reclaim_begin")]
pub fn node_reclaim_begin(ctx: BtfTracePointContext) -> u32 {
    let node: u32 = ctx.arg(0);
    let count_key = CountKey::new(Stem::Reclaim).with_page_node(node as u16);
    begin(Task::current(), ReclaimKind::Node, count_key);
    0
}

/// include/trace/events/vmscan.h
#[btf_tracepoint(function = "mm_vmscan_node_reclaim_end")]
pub fn node_reclaim_end(ctx: BtfTracePointContext) -> u32 {
    end(ReclaimKind::Node, ctx.arg(0));
    0
}

/// include/trace/events/compaction.h; kcompactd does it in the background, and nobody waits.
#[btf_tracepoint(function = "mm_compaction_begin")]
pub fn compaction_begin(_ctx: BtfTracePointContext) -> u32 {
    let task = Task::current();
    if !task.is_kthread() {
        begin(task, ReclaimKind::Compaction, CountKey::new(Stem::Reclaim));
    }
    0
}

/// include/trace/events/compaction.h
#[btf_tracepoint(function = "mm_compaction_end")]
pub fn compaction_end(_ctx: BtfTracePointContext) -> u32 {
    end(ReclaimKind::Compaction, 0);
    0
}

#[inline(always)]
fn key(task: Task, kind: ReclaimKind) -> u64 {
    u64::from(task.tid()) << 8 | kind as u64
}

#[inline(always)]
fn begin(task: Task, kind: ReclaimKind, count_key: CountKey) {
    let search = Search {
        began_ns: clock::now(),
        count_key: count_key.with_class(kind as u8),
    };
    if RECLAIMING.insert(key(task, kind), search, 0).is_err() {
        count(Counter::LostReclaimTimes, 1);
    }
}

#[inline(always)]
fn end(kind: ReclaimKind, pages: u64) {
    let task = Task::current();
    let key = key(task, kind);
    // SAFETY: only the thread itself writes and removes its entries.
    let Some(search) = (unsafe { RECLAIMING.get(key) }).copied() else {
        return;
    };
    let _ = RECLAIMING.remove(key);
    let owner = Owner::of(task);
    let count_key = search.count_key.with_task_node(cpu::node() as u16);
    let took = clock::now().wrapping_sub(search.began_ns);
    totals::add_one(owner, count_key, took);
    if pages != 0 {
        totals::add_one(owner, count_key.with_stem(Stem::Reclaimed), pages);
    }
}

/// The key of a search within the cpuset of a task.
#[inline(always)]
fn by_cpuset(task: Task) -> CountKey {
    limited(LIMIT_CPUSET, |nodes| task.mems_allowed(nodes))
}

/// The key of a search within some nodes, which are no limit when they are all that have memory.
#[inline(always)]
fn limited(by: u8, fill: impl FnOnce(&mut NodeSet)) -> CountKey {
    let count_key = CountKey::new(Stem::Reclaim);
    let Some(nodes) = RECLAIM_NODES.get_ptr_mut(0) else {
        return count_key;
    };
    // SAFETY: a live per-CPU element. A program that interrupts this one may change it, and then a
    // search has a wrong node: no more than that.
    let nodes = unsafe { &mut *nodes };
    fill(nodes);
    let (mut lowest, mut count, mut missing) = (u32::MAX, 0u32, 0u64);
    let with_memory = global!(has_memory);
    for word in 0..nodes.len() {
        let set = nodes[word] & with_memory[word];
        missing |= with_memory[word] & !nodes[word];
        if set != 0 {
            if lowest == u32::MAX {
                lowest = word as u32 * 64 + lowest_bit(set);
            }
            count += if set & (set - 1) == 0 { 1 } else { 2 };
        }
    }
    if missing == 0 || count == 0 {
        return count_key.with_mark(LIMIT_NONE);
    }
    count_key
        .with_mark(by)
        .with_cause(u8::from(count > 1))
        .with_page_node(lowest as u16)
}

/// Number of the lowest bit that is set. The BPF target has no instruction for it: six steps.
#[inline(always)]
fn lowest_bit(set: u64) -> u32 {
    let mut bit = 0;
    let mut rest = set;
    for step in [32u32, 16, 8, 4, 2, 1] {
        if rest & ((1u64 << step) - 1) == 0 {
            rest >>= step;
            bit += step;
        }
    }
    bit
}
