//! Settings of the kernel programs, written before they are loaded: one read-only struct, frozen,
//! so that the verifier treats every field as a constant and drops code that a zero switches off.

use bytemuck::{Pod, Zeroable};

/// Offset of a member that the kernel does not have: the verifier refuses programs that would load
/// it, and their hook is absent.
pub const ABSENT: u32 = u32::MAX;

/// Value of [`Globals::mapping_runs`]: runs are wanted until
/// [`Control::reduced`](crate::control::Control::reduced) says otherwise.
pub const WHILE_CHEAP: u32 = 2;

/// Byte offsets of kernel struct members, from the running kernel's BTF. Offsets that each
/// allocation and fault needs come first.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Offsets {
    /// `page.flags`
    pub page_flags: u32,
    /// `alloc_context.preferred_zoneref`
    pub ac_preferred_zoneref: u32,
    /// `zoneref.zone`
    pub zoneref_zone: u32,
    /// `task_struct.start_boottime`
    pub task_start_boottime: u32,
    /// `task_struct.nvcsw`
    pub task_nvcsw: u32,
    /// `task_struct.nivcsw`
    pub task_nivcsw: u32,
    /// `task_struct.flags`
    pub task_flags: u32,
    /// `pt_regs.orig_ax`; 0 where the architecture has none.
    pub regs_orig_ax: u32,
    /// `vm_area_struct.vm_start`, [`ABSENT`] where the kernel has no such member
    pub vma_start: u32,
    /// `vm_area_struct.vm_end`, likewise
    pub vma_end: u32,
    /// `vm_area_struct.vm_flags`
    pub vma_flags: u32,
    /// `vm_area_struct.vm_file`
    pub vma_file: u32,
    /// `task_struct.pid`
    pub task_pid: u32,
    /// `task_struct.tgid`
    pub task_tgid: u32,
    /// `task_struct.comm`
    pub task_comm: u32,
    /// `task_struct.real_parent`
    pub task_real_parent: u32,
    /// `task_struct.se.prev_sum_exec_runtime`, 0 where the kernel keeps none.
    pub task_picked_ns: u32,
    /// `task_struct.group_leader`
    pub task_group_leader: u32,
    /// `task_struct.signal`
    pub task_signal: u32,
    /// `signal_struct.live`
    pub signal_live: u32,
    /// `zone.node`
    pub zone_node: u32,
    /// `linux_binprm.filename`
    pub bprm_filename: u32,
    /// `page.lru` (in a union), the link of a page in a bulk caller's list.
    pub page_lru: u32,
    /// `page._refcount` (in a union)
    pub page_refcount: u32,
    /// `mm_struct.mm_users`
    pub mm_users: u32,
    /// `super_block.s_magic`
    pub sb_magic: u32,
    /// `alloc_context.zonelist`
    pub ac_zonelist: u32,
    /// `task_struct.mempolicy`
    pub task_mempolicy: u32,
    /// `task_struct.mems_allowed`
    pub task_mems_allowed: u32,
    /// `alloc_context.nodemask`
    pub ac_nodemask: u32,
    /// `mempolicy.mode`
    pub mempolicy_mode: u32,
    /// `mempolicy.flags`
    pub mempolicy_flags: u32,
    /// `vm_area_struct.vm_policy`
    pub vma_policy: u32,
    /// `vm_area_struct.vm_mm`
    pub vma_mm: u32,
    /// `mm_struct.start_brk`
    pub mm_start_brk: u32,
    /// `mm_struct.brk`
    pub mm_brk: u32,
    /// `file.f_inode`
    pub file_inode: u32,
    /// `inode.i_sb`
    pub inode_sb: u32,
    /// `super_block.s_flags`
    pub sb_flags: u32,
    /// `super_block.s_dev`
    pub sb_dev: u32,
    /// `super_block.s_blocksize_bits`
    pub sb_blocksize_bits: u32,
    /// `mm_struct.owner`, 0 where the kernel keeps none.
    pub mm_owner: u32,
    /// `folio.flags`
    pub folio_flags: u32,
    /// Byte with the order of a large folio: `folio._folio_order`, or the lowest byte of
    /// `folio._flags_1`.
    pub folio_order: u32,
    /// Bit of `folio.flags` that large folios have, `PG_head`; 0 where BTF does not say, and then
    /// every folio counts one page.
    pub folio_head: u32,
    /// `task_struct.se.sum_exec_runtime`; this one and those below are [`ABSENT`] where the kernel
    /// has no such member.
    pub task_ran_ns: u32,
    /// `task_struct.thread_info.cpu`
    pub task_cpu: u32,
    /// `task_struct.__state`
    pub task_state: u32,
    /// `task_struct.on_rq`
    pub task_on_rq: u32,
    /// `task_struct.cpus_ptr`
    pub task_cpus_ptr: u32,
    /// `task_struct.prio`
    pub task_prio: u32,
    /// `vm_area_struct.vm_pgoff`
    pub vma_pgoff: u32,
    /// `inode.i_ino`
    pub inode_ino: u32,
    /// `vm_fault.vma`, looked up only on kernels that pass a `vm_fault` to `mpol_misplaced`.
    pub vmf_vma: u32,
    /// `folio.mapping`
    pub folio_mapping: u32,
    /// `address_space.host`
    pub mapping_host: u32,
    /// User stack pointer in `pt_regs`; [`ABSENT`] where it is not named `sp`.
    pub regs_sp: u32,
    /// `oom_control.zonelist`; like all below [`ABSENT`] where the kernel has no such member.
    pub oom_zonelist: u32,
    /// `oom_control.nodemask`
    pub oom_nodemask: u32,
    /// `oom_control.gfp_mask`
    pub oom_gfp_mask: u32,
    /// `oom_control.order`
    pub oom_order: u32,
    /// `oom_control.constraint`
    pub oom_constraint: u32,
    /// `zonelist._zonerefs`
    pub zonelist_zonerefs: u32,
    /// Bytes of a `struct zoneref`.
    pub zoneref_size: u32,
    /// `zone.free_area[0].nr_free`
    pub zone_nr_free: u32,
    /// `zone._watermark[WMARK_LOW]`
    pub zone_low: u32,
    /// `zone.watermark_boost`
    pub zone_boost: u32,
    /// `zone.nr_reserved_highatomic`
    pub zone_highatomic: u32,
    /// Bytes of a `struct free_area`.
    pub free_area_size: u32,
    /// Elements of `zone.free_area`: one for each order.
    pub page_orders: u32,
    /// 64-bit words of a `nodemask_t`.
    pub nodemask_words: u32,
    /// 64-bit words of a `struct cpumask`.
    pub cpumask_words: u32,
    /// `mempolicy.nodes`
    pub mempolicy_nodes: u32,
    /// `inode.i_blkbits`
    pub inode_blkbits: u32,
    /// `super_block.s_fs_info`
    pub sb_fs_info: u32,
    /// `hugetlbfs_sb_info.hstate`
    pub hugetlbfs_hstate: u32,
    /// `hstate.free_huge_pages_node`
    pub hstate_free: u32,
    /// `hstate.nr_huge_pages_node`
    pub hstate_total: u32,
    /// The first argument of a system call in `pt_regs`.
    pub regs_arg0: u32,
    /// The second.
    pub regs_arg1: u32,
    /// The third.
    pub regs_arg2: u32,
    /// The fourth.
    pub regs_arg3: u32,
    /// The number of a system call in `pt_regs`.
    pub regs_number: u32,
    /// Its result.
    pub regs_result: u32,
    /// `task_struct.exit_code`
    pub task_exit_code: u32,
    /// No offset: 1 when `__seccomp_filter` returns a `bool`, false where a call is not made,
    /// instead of an `int`, -1 there.
    pub seccomp_is_bool: u32,
    /// `task_struct.softirq_disable_cnt`, 0 where softirqs do not run in tasks of their own (no
    /// `CONFIG_PREEMPT_RT`).
    pub task_softirqs: u32,
    /// The captured page, behind the last argument of `try_to_compact_pages`:
    /// `capture_control.page`, or 0 where that argument points to the page's address itself.
    pub captured_page: u32,
    /// `task_struct.scx.flags`, [`ABSENT`] without `CONFIG_SCHED_CLASS_EXT`.
    pub task_scx_flags: u32,
    /// No offset: the bits of these flags that hold the state of a task, 0 where there are none.
    pub scx_state: u32,
    /// No offset: the state of a task that a scheduler of sched_ext has.
    pub scx_enabled: u32,
}

/// Bits of `gfp_t`: their positions change between kernels.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct GfpBits {
    /// `___GFP_MOVABLE`
    pub movable: u32,
    /// `___GFP_DIRECT_RECLAIM`: an allocation with it is never in an interrupt.
    pub direct_reclaim: u32,
    /// `___GFP_ZERO`
    pub zero: u32,
    /// `___GFP_ACCOUNT`
    pub account: u32,
    /// `___GFP_NOMEMALLOC`: part of `GFP_TRANSHUGE`, not of the hugetlb pool's flags.
    pub nomemalloc: u32,
    /// `___GFP_THISNODE`: from the preferred node or not at all.
    pub thisnode: u32,
    /// `___GFP_NOWARN`: set for slabs, never for page tables.
    pub nowarn: u32,
    /// `___GFP_DMA`: from the first 16 MiB only.
    pub dma: u32,
    /// `___GFP_DMA32`: from the first 4 GiB only.
    pub dma32: u32,
}

/// Memory that a request can be served from: the highest zone that its flags allow, and those
/// below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServedFrom {
    /// Zone DMA.
    Dma,
    /// Zones DMA32 and DMA.
    Dma32,
    /// All but Movable: the kernel's own memory.
    Normal,
    /// All zones: user pages.
    Movable,
}

impl ServedFrom {
    /// Returns where a request is served from, given its flags and the bits `___GFP_DMA`,
    /// `___GFP_DMA32` and `___GFP_MOVABLE` of this kernel (include/linux/gfp.h, `gfp_zone`). A
    /// limit on the address counts for movable pages too.
    #[inline(always)]
    pub const fn of(gfp: u32, dma: u32, dma32: u32, movable: u32) -> Self {
        if gfp & dma != 0 {
            ServedFrom::Dma
        } else if gfp & dma32 != 0 {
            ServedFrom::Dma32
        } else if gfp & movable != 0 {
            ServedFrom::Movable
        } else {
            ServedFrom::Normal
        }
    }
}

/// The frozen globals. Fields that each event needs come first, on few cache lines.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Globals {
    /// `page.flags >> nodes_pgshift` is the page's node; never 64: a kernel with one node has a
    /// shift of 63 and a mask of 0.
    pub nodes_pgshift: u32,
    /// Mask of the node number after the shift.
    pub nodes_mask: u32,
    /// Order of a PMD-sized folio (9 with 4 KiB pages on x86).
    pub pmd_order: u32,
    /// log2 of a base page's bytes: 12 on x86, 12, 14 or 16 on arm64.
    pub page_shift: u32,
    /// 1 when first touches are wanted.
    pub first_touch: u32,
    /// 1 when first touches and hinting faults are wanted by mapping, as runs; [`WHILE_CHEAP`] when
    /// userspace may switch that off.
    pub mapping_runs: u32,
    /// Capture a user stack at the start of each run of first touches, then after each so many
    /// pages; 0 = no stacks.
    pub stack_every: u32,
    /// 1 when hot programs of functions are attached twice, because this kernel preempts them.
    pub twins: u32,
    /// 1 when hot programs of tracepoints are attached twice, likewise.
    pub tracepoint_twins: u32,
    /// For tests of the audit: one in so many allocations is left uncounted; 0 = none.
    pub drop_one_in: u32,
    /// Capture a kernel stack after each so many base pages of kernel memory; 0 = no stacks.
    pub kernel_stack_every: u32,
    /// 1 when `bpf_probe_read_kernel` may be used (not under lockdown=confidentiality).
    pub probe_read: u32,
    /// gfp bits.
    pub gfp: GfpBits,
    /// Struct member offsets.
    pub offsets: Offsets,
    /// Our process id in our PID namespace.
    pub tracer_pid: u32,
    /// 1 when the session is limited to the processes of the scope map.
    pub scoped: u32,
    /// 1 when children of processes in scope are in scope.
    pub follow_children: u32,
    /// 1 when moves of single folios are gathered into runs; 0 when each gets a record at once.
    pub gather_moves: u32,
    /// 1 when the kernel counts weighted interleave in interleave_hit (from 6.14 on).
    pub weighted_counts: u32,
    /// Number of arguments of the bulk allocator: 6 with a list, 5 without; the array is the last
    /// one.
    pub bulk_args: u32,
    /// Device number of `/dev/shm` as the kernel keeps it, 0 when there is none: files there are
    /// shared memory.
    pub shm_dev: u32,
    /// 1 when `mpol_misplaced` is passed a `struct vm_fault` instead of the mapping.
    pub hint_vmf: u32,
    /// 1 when the kernel stack of each change of CPU is wanted.
    pub verify_reasons: u32,
    /// 1 when `hugetlb_reserve_pages` returns a `long`, negative on failure, instead of a `bool`.
    pub reserve_is_long: u32,
    /// Address of the per-CPU `__preempt_count` (or of its place in `pcpu_hot`), 0 when kallsyms
    /// hides it.
    pub preempt_count: u64,
    /// Address of `__per_cpu_offset[]`, 0 when kallsyms hides it.
    pub per_cpu_offset: u64,
    /// Device number of our PID namespace (`/proc/self/ns/pid`).
    pub pidns_dev: u64,
    /// Inode number of our PID namespace.
    pub pidns_ino: u64,
    /// Time at which the session was loaded, ns since boot: a process born later can be the child
    /// of one in scope.
    pub session_start_ns: u64,
    /// Nodes with memory, one bit each.
    pub has_memory: [u64; 16],
    /// Nodes with memory that the kernel itself can use (not movable-only), one bit each.
    pub has_normal_memory: [u64; 16],
    /// Nodes with memory below 16 MiB, in their zone DMA, one bit each.
    pub has_dma_memory: [u64; 16],
    /// Nodes with memory below 4 GiB, in their zone DMA32 or DMA, one bit each.
    pub has_dma32_memory: [u64; 16],
}

const _: () = assert!(size_of::<Globals>() == 1040);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_for_low_memory_is_served_from_low_memory_even_if_it_is_movable() {
        let (dma, dma32, movable, other) = (0x1, 0x4, 0x8, 0x400);
        let of = |gfp| ServedFrom::of(gfp, dma, dma32, movable);
        assert_eq!(of(dma | other), ServedFrom::Dma);
        assert_eq!(of(dma32 | other), ServedFrom::Dma32);
        assert_eq!(of(dma32 | movable), ServedFrom::Dma32);
        assert_eq!(of(movable | other), ServedFrom::Movable);
        assert_eq!(of(other), ServedFrom::Normal);
    }
}
