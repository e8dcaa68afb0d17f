//! The frozen globals: all constants that the kernel programs get before they are loaded.

use std::{fs, os::unix::fs::MetadataExt};

use anyhow::Context;
use numatrace_common::globals::{Globals, WHILE_CHEAP};

use super::{
    btf::KernelBtf, catalog::HookKind, inject::Faults, offsets, preemption::Preemption,
    series::Series,
};
use crate::ids::NodeId;

/// The globals that a session decides; the others follow from the kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct Switches {
    /// Only processes in the scope map are charged by name.
    pub scoped: bool,
    /// Children of processes in scope are in scope.
    pub follow_children: bool,
    /// Moves of single folios are coalesced into runs; off with intervals and in live commands,
    /// where each move is wanted at once.
    pub gather_moves: bool,
    /// First touches are counted.
    pub first_touch: bool,
    /// Injected faults, for tests.
    pub faults: Faults,
    /// First touches and hinting faults are recorded by mapping.
    pub mappings: bool,
    /// Details may be switched off while the session runs (`--max-overhead`).
    pub reducible: bool,
    /// One user stack for every N pages of a run; 0 = none.
    pub stack_every: u32,
    /// One kernel stack for every N base pages of kernel memory; 0 = none.
    pub kernel_stack_every: u32,
    /// The kernel stack of each CPU change is recorded.
    pub verify_reasons: bool,
}

/// Addresses that only `/proc/kallsyms` knows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Addresses {
    /// `__preempt_count`, or its member of `pcpu_hot`; 0 when hidden.
    pub preempt_count: u64,
    /// `__per_cpu_offset`; 0 when hidden.
    pub per_cpu_offset: u64,
}

/// Sets of nodes, one bit for each node.
#[derive(Clone, Copy, Debug, Default)]
pub struct NodeSets {
    /// Nodes with memory.
    pub has_memory: [u64; 16],
    /// Nodes with memory that is not movable-only.
    pub has_normal_memory: [u64; 16],
    /// Nodes with a zone DMA.
    pub has_dma_memory: [u64; 16],
    /// Nodes with a zone DMA32 or DMA.
    pub has_dma32_memory: [u64; 16],
}

impl NodeSets {
    /// Adds a node to a set.
    pub fn add(set: &mut [u64; 16], node: NodeId) {
        let node = usize::from(node.0);
        if let Some(word) = set.get_mut(node / 64) {
            *word |= 1 << (node % 64);
        }
    }
}

/// Returns the globals for this kernel and session.
///
/// # Errors
/// The kernel's BTF lacks a struct member, or the PID namespace cannot be read.
pub fn globals(
    btf: &KernelBtf,
    switches: Switches,
    addresses: Addresses,
    nodes: NodeSets,
    preemption: Preemption,
) -> anyhow::Result<Globals> {
    let pidns = fs::metadata("/proc/self/ns/pid")
        .context("cannot read /proc/self/ns/pid: is /proc mounted?")?;
    let shift = btf.nodes_shift()?;
    let page_bytes = page_bytes();
    // Both addresses or neither: one alone is of no use.
    let mut offsets = offsets::offsets(btf)?;
    // The kernel allocates the words of possible CPUs only; what follows is not of the mask.
    let possible = aya::util::nr_cpus().map_or(0, |cpus| cpus.div_ceil(64));
    let possible = u32::try_from(possible).unwrap_or(u32::MAX);
    offsets.cpumask_words = offsets.cpumask_words.min(possible);
    let known = addresses.preempt_count != 0 && addresses.per_cpu_offset != 0;
    Ok(Globals {
        preempt_count: if known { addresses.preempt_count } else { 0 },
        per_cpu_offset: if known { addresses.per_cpu_offset } else { 0 },
        pidns_dev: pidns.dev(),
        pidns_ino: pidns.ino(),
        session_start_ns: boot_ns(),
        tracer_pid: std::process::id(),
        // One node takes no bits: any shift will do, because the mask is 0.
        nodes_pgshift: if shift == 0 { 63 } else { 64 - shift },
        nodes_mask: (1u32 << shift.min(16)) - 1,
        pmd_order: pmd_order(page_bytes),
        page_shift: page_bytes.ilog2(),
        scoped: u32::from(switches.scoped),
        follow_children: u32::from(switches.follow_children),
        gather_moves: u32::from(switches.gather_moves),
        probe_read: 1,
        weighted_counts: u32::from(running().is_some_and(|series| series >= WEIGHTED_COUNTS)),
        bulk_args: bulk_args(btf),
        shm_dev: shm_dev(),
        first_touch: u32::from(switches.first_touch),
        mapping_runs: match (switches.mappings, switches.reducible) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => WHILE_CHEAP,
        },
        stack_every: switches.stack_every,
        kernel_stack_every: switches.kernel_stack_every,
        hint_vmf: u32::from(hint_vmf(btf)),
        twins: u32::from(preemption.preempts(HookKind::Fexit)),
        tracepoint_twins: u32::from(preemption.preempts(HookKind::TpBtf)),
        verify_reasons: u32::from(switches.verify_reasons),
        reserve_is_long: u32::from(reserve_is_long(btf)),
        drop_one_in: switches.faults.drop_one_in,
        has_memory: nodes.has_memory,
        has_normal_memory: nodes.has_normal_memory,
        has_dma_memory: nodes.has_dma_memory,
        has_dma32_memory: nodes.has_dma32_memory,
        offsets,
        gfp: offsets::gfp_bits(btf),
    })
}

/// The first series whose numastat counts weighted interleave in interleave_hit (mm/mempolicy.c).
const WEIGHTED_COUNTS: Series = Series {
    major: 6,
    minor: 14,
};

/// Returns the running kernel's series.
fn running() -> Option<Series> {
    Series::of_release(&fs::read_to_string("/proc/sys/kernel/osrelease").ok()?)
}

/// Returns the number of arguments of the bulk allocator, under either of its names; 5 where it has
/// neither, and then nothing is attached.
fn bulk_args(btf: &KernelBtf) -> u32 {
    ["alloc_pages_bulk_noprof", "__alloc_pages_bulk"]
        .into_iter()
        .find_map(|name| btf.func_arg_count(name).ok())
        .and_then(|count| u32::try_from(count).ok())
        .unwrap_or(5)
}

/// Returns whether `mpol_misplaced` gets a `struct vm_fault`, as from 6.7 on.
fn hint_vmf(btf: &KernelBtf) -> bool {
    btf.c_prototype("mpol_misplaced")
        .is_ok_and(|prototype| prototype.contains("struct vm_fault"))
}

/// Does `hugetlb_reserve_pages` return a number? So from 6.16 or 6.17 on.
fn reserve_is_long(btf: &KernelBtf) -> bool {
    btf.c_prototype("hugetlb_reserve_pages")
        .is_ok_and(|prototype| prototype.starts_with("long"))
}

/// Returns the device number of `/dev/shm` in the kernel's form, `major << 20 | minor`
/// (include/linux/kdev_t.h); 0 when it is not a mount point.
fn shm_dev() -> u32 {
    let device = |path: &str| fs::metadata(path).ok().map(|found| found.dev());
    match (device("/dev/shm"), device("/dev")) {
        (Some(shm), parent) if Some(shm) != parent => (libc::major(shm) << 20) | libc::minor(shm),
        _ => 0,
    }
}

/// Returns nanoseconds since boot, on the clock of `task_struct.start_boottime`.
fn boot_ns() -> u64 {
    use nix::time::{ClockId, clock_gettime};
    // Every kernel we run on has this clock; without it no task counts as born during the session.
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(u64::MAX, |now| {
        let part = |number: i64| u64::try_from(number).unwrap_or(0);
        part(now.tv_sec()) * 1_000_000_000 + part(now.tv_nsec())
    })
}

/// Returns the bytes of a base page; 4096 where the C library does not say.
fn page_bytes() -> u64 {
    use nix::unistd::{SysconfVar, sysconf};
    sysconf(SysconfVar::PAGE_SIZE)
        .ok()
        .flatten()
        .and_then(|bytes| u64::try_from(bytes).ok())
        .filter(|bytes| bytes.is_power_of_two())
        .unwrap_or(4096)
}

/// Returns log2 of a PMD-sized page in base pages; 9 (2 MiB of 4 KiB pages) where the kernel does
/// not say.
fn pmd_order(page_bytes: u64) -> u32 {
    let size = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size")
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok());
    size.and_then(|size| size.checked_div(page_bytes))
        .and_then(u64::checked_ilog2)
        .unwrap_or(9)
}
