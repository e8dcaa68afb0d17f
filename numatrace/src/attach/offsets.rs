//! The frozen globals' kernel part: struct offsets and gfp bits of the running kernel.

use numatrace_common::globals::{ABSENT, GfpBits, Offsets};

use super::btf::{BtfError, KernelBtf};

/// Returns the offsets of all members that the kernel programs read.
///
/// # Errors
/// The first member this kernel's BTF does not have, by name.
pub fn offsets(btf: &KernelBtf) -> Result<Offsets, BtfError> {
    let at = |of: &str, member: &str| btf.member(of, member).map(|at| at.offset_bytes);
    Ok(Offsets {
        task_pid: at("task_struct", "pid")?,
        task_tgid: at("task_struct", "tgid")?,
        task_flags: at("task_struct", "flags")?,
        task_comm: at("task_struct", "comm")?,
        task_start_boottime: at("task_struct", "start_boottime")?,
        task_real_parent: at("task_struct", "real_parent")?,
        // Only read for a task whose switch-in was not seen.
        task_picked_ns: match within(btf, "se", ("sched_entity", "prev_sum_exec_runtime")) {
            ABSENT => 0,
            offset => offset,
        },
        task_group_leader: at("task_struct", "group_leader")?,
        task_signal: at("task_struct", "signal")?,
        signal_live: at("signal_struct", "live")?,
        ac_preferred_zoneref: at("alloc_context", "preferred_zoneref")?,
        zoneref_zone: at("zoneref", "zone")?,
        zone_node: at("zone", "node")?,
        page_flags: at("page", "flags")?,
        bprm_filename: at("linux_binprm", "filename")?,
        page_lru: at("page", "lru")?,
        page_refcount: at("page", "_refcount")?,
        mm_users: at("mm_struct", "mm_users")?,
        sb_magic: at("super_block", "s_magic")?,
        ac_zonelist: at("alloc_context", "zonelist")?,
        task_mempolicy: at("task_struct", "mempolicy")?,
        task_mems_allowed: at("task_struct", "mems_allowed")?,
        ac_nodemask: at("alloc_context", "nodemask")?,
        mempolicy_mode: at("mempolicy", "mode")?,
        mempolicy_flags: at("mempolicy", "flags")?,
        vma_policy: at("vm_area_struct", "vm_policy")?,
        vma_flags: at("vm_area_struct", "vm_flags")?,
        vma_file: at("vm_area_struct", "vm_file")?,
        vma_mm: at("vm_area_struct", "vm_mm")?,
        mm_start_brk: at("mm_struct", "start_brk")?,
        mm_brk: at("mm_struct", "brk")?,
        file_inode: at("file", "f_inode")?,
        inode_sb: at("inode", "i_sb")?,
        sb_flags: at("super_block", "s_flags")?,
        sb_dev: at("super_block", "s_dev")?,
        sb_blocksize_bits: at("super_block", "s_blocksize_bits")?,
        task_nvcsw: at("task_struct", "nvcsw")?,
        task_nivcsw: at("task_struct", "nivcsw")?,
        // x86 only; elsewhere the fallback of first touch cannot tell system calls from faults.
        regs_orig_ax: at("pt_regs", "orig_ax").unwrap_or(0),
        // Without CONFIG_MEMCG an address space has no owner.
        mm_owner: at("mm_struct", "owner").unwrap_or(0),
        folio_flags: at("folio", "flags")?,
        folio_order: at("folio", "_folio_order").or_else(|_| at("folio", "_flags_1"))?,
        folio_head: head_bit(btf),
        task_ran_ns: within(btf, "se", ("sched_entity", "sum_exec_runtime")),
        task_cpu: within(btf, "thread_info", ("thread_info", "cpu")),
        task_state: optional(btf, "__state"),
        task_on_rq: optional(btf, "on_rq"),
        task_cpus_ptr: optional(btf, "cpus_ptr"),
        task_prio: optional(btf, "prio"),
        vma_start: at("vm_area_struct", "vm_start")?,
        vma_end: at("vm_area_struct", "vm_end")?,
        vma_pgoff: at("vm_area_struct", "vm_pgoff")?,
        inode_ino: at("inode", "i_ino")?,
        folio_mapping: at("folio", "mapping")?,
        mapping_host: at("address_space", "host")?,
        vmf_vma: at("vm_fault", "vma").unwrap_or(ABSENT),
        // The name on x86 and arm64; elsewhere thread stacks cannot be told from other memory.
        regs_sp: at("pt_regs", "sp").unwrap_or(ABSENT),
        // From here on only hooks of failures need them, each of which may be absent alone.
        oom_zonelist: at("oom_control", "zonelist").unwrap_or(ABSENT),
        oom_nodemask: at("oom_control", "nodemask").unwrap_or(ABSENT),
        oom_gfp_mask: at("oom_control", "gfp_mask").unwrap_or(ABSENT),
        oom_order: at("oom_control", "order").unwrap_or(ABSENT),
        oom_constraint: at("oom_control", "constraint").unwrap_or(ABSENT),
        zonelist_zonerefs: at("zonelist", "_zonerefs").unwrap_or(ABSENT),
        zoneref_size: btf.size_of("zoneref").unwrap_or(ABSENT),
        zone_nr_free: at("zone", "free_area")
            .and_then(|first| Ok(first + at("free_area", "nr_free")?))
            .unwrap_or(ABSENT),
        // `enum zone_watermarks`: WMARK_MIN, then WMARK_LOW, each an `unsigned long`.
        zone_low: at("zone", "_watermark").map_or(ABSENT, |min| min + 8),
        zone_boost: at("zone", "watermark_boost").unwrap_or(ABSENT),
        zone_highatomic: at("zone", "nr_reserved_highatomic").unwrap_or(ABSENT),
        free_area_size: btf.size_of("free_area").unwrap_or(0),
        page_orders: page_orders(btf),
        nodemask_words: btf.member("task_struct", "mems_allowed")?.size_bytes / 8,
        cpumask_words: btf.size_of("cpumask").unwrap_or(0) / 8,
        mempolicy_nodes: at("mempolicy", "nodes").unwrap_or(ABSENT),
        inode_blkbits: at("inode", "i_blkbits").unwrap_or(ABSENT),
        sb_fs_info: at("super_block", "s_fs_info").unwrap_or(ABSENT),
        hugetlbfs_hstate: at("hugetlbfs_sb_info", "hstate").unwrap_or(ABSENT),
        hstate_free: at("hstate", "free_huge_pages_node").unwrap_or(ABSENT),
        hstate_total: at("hstate", "nr_huge_pages_node").unwrap_or(ABSENT),
        // x86's names; elsewhere one call is not hooked.
        regs_arg0: at("pt_regs", "di").unwrap_or(ABSENT),
        regs_arg1: at("pt_regs", "si").unwrap_or(ABSENT),
        regs_arg2: at("pt_regs", "dx").unwrap_or(ABSENT),
        regs_arg3: at("pt_regs", "r10").unwrap_or(ABSENT),
        regs_number: at("pt_regs", "orig_ax").unwrap_or(ABSENT),
        regs_result: at("pt_regs", "ax").unwrap_or(ABSENT),
        task_exit_code: optional(btf, "exit_code"),
        task_softirqs: at("task_struct", "softirq_disable_cnt").unwrap_or(0),
        captured_page: captured_page(btf),
        task_scx_flags: within(btf, "scx", ("sched_ext_entity", "flags")),
        scx_state: scx_states(btf).map_or(0, |(mask, _)| mask),
        scx_enabled: scx_states(btf).map_or(0, |(_, enabled)| enabled),
        seccomp_is_bool: u32::from(
            btf.c_prototype("__seccomp_filter")
                .is_ok_and(|prototype| prototype.starts_with("bool")),
        ),
    })
}

/// Returns the offset of a member of `task_struct` that only an optional hook needs; [`ABSENT`]
/// without it.
fn optional(btf: &KernelBtf, member: &str) -> u32 {
    btf.member("task_struct", member)
        .map_or(ABSENT, |at| at.offset_bytes)
}

/// Returns the offset of a member of a struct inside `task_struct`; [`ABSENT`] without it.
fn within(btf: &KernelBtf, outer: &str, (of, member): (&str, &str)) -> u32 {
    match optional(btf, outer) {
        ABSENT => ABSENT,
        base => btf
            .member(of, member)
            .map_or(ABSENT, |at| base + at.offset_bytes),
    }
}

/// Orders of pages, by the length of a zone's array of free areas; 0 where it has none.
fn page_orders(btf: &KernelBtf) -> u32 {
    let all = btf.member("zone", "free_area").map(|at| at.size_bytes);
    let one = btf.size_of("free_area");
    match (all, one) {
        (Ok(all), Ok(one)) => all.checked_div(one).unwrap_or(0),
        _ => 0,
    }
}

/// Returns where the captured page is behind the last argument of `try_to_compact_pages`: kernels
/// before 7.3 pass the address of a pointer to it.
fn captured_page(btf: &KernelBtf) -> u32 {
    let passes_control = btf
        .c_prototype("try_to_compact_pages")
        .is_ok_and(|prototype| prototype.contains("struct capture_control"));
    let page = btf.member("capture_control", "page");
    page.map_or(0, |page| if passes_control { page.offset_bytes } else { 0 })
}

/// Returns the bits of `task_struct.scx.flags` that hold a task's state in sched_ext, and the state
/// of a task that a scheduler has; `None` where the kernel has neither.
///
/// The state is a number that is still to be shifted on some kernels, and a value of the flags on
/// others (`SCX_TASK_ENABLED`, include/linux/sched/ext.h).
fn scx_states(btf: &KernelBtf) -> Option<(u32, u32)> {
    within_task(btf)?;
    let value = |name: &str| {
        let value = btf.enum_value(None, name).ok()?;
        u32::try_from(value).ok()
    };
    let (mask, shift) = (
        value("SCX_TASK_STATE_MASK")?,
        value("SCX_TASK_STATE_SHIFT")?,
    );
    let enabled = value("SCX_TASK_ENABLED")?;
    let enabled = if enabled & mask == enabled && enabled != 0 {
        enabled
    } else {
        enabled.checked_shl(shift)?
    };
    (enabled & mask == enabled).then_some((mask, enabled))
}

/// Returns the offset of a task's part of sched_ext.
fn within_task(btf: &KernelBtf) -> Option<u32> {
    let offset = within(btf, "scx", ("sched_ext_entity", "flags"));
    (offset != ABSENT).then_some(offset)
}

/// Returns the bit of `PG_head`, the flag of a large folio, which differs between kernels; 0, the
/// bit of a different flag, where BTF has no such enum.
fn head_bit(btf: &KernelBtf) -> u32 {
    btf.enum_value(Some("pageflags"), "PG_head")
        .ok()
        .and_then(|bit| u32::try_from(bit).ok())
        .unwrap_or(0)
}

/// Returns the gfp bits. Kernels from about 6.10 on have their positions in an enum; before that
/// they were plain macros with the values below, unchanged from 6.1 on (include/linux/gfp_types.h).
pub fn gfp_bits(btf: &KernelBtf) -> GfpBits {
    let bit = |name: &str, before_the_enum: u32| {
        btf.enum_value(None, name)
            .ok()
            .and_then(|position| u32::try_from(position).ok())
            .and_then(|position| 1u32.checked_shl(position))
            .unwrap_or(before_the_enum)
    };
    GfpBits {
        movable: bit("___GFP_MOVABLE_BIT", 0x08),
        direct_reclaim: bit("___GFP_DIRECT_RECLAIM_BIT", 0x400),
        zero: bit("___GFP_ZERO_BIT", 0x100),
        account: bit("___GFP_ACCOUNT_BIT", 0x40_0000),
        nomemalloc: bit("___GFP_NOMEMALLOC_BIT", 0x8_0000),
        thisnode: bit("___GFP_THISNODE_BIT", 0x20_0000),
        nowarn: bit("___GFP_NOWARN_BIT", 0x2000),
        dma: bit("___GFP_DMA_BIT", 0x01),
        dma32: bit("___GFP_DMA32_BIT", 0x04),
    }
}
