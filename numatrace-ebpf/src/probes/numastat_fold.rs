//! The instant at which the kernel adds up its own per-CPU numastat counters because we read a
//! node's file: it begins a new epoch, so that our totals have a boundary at that very instant.
//!
//! proto: 6.1..: void fold_vm_numa_events(void)

use aya_ebpf::{
    bindings::bpf_pidns_info, helpers::generated::bpf_get_ns_current_pid_tgid, macros::fentry,
    programs::FEntryContext,
};

use crate::{control, globals::global};

/// mm/vmstat.c; reads of numastat by other processes are ignored.
#[fentry(function = "fold_vm_numa_events")]
pub fn numastat_fold(_ctx: FEntryContext) -> u32 {
    let mut ids = bpf_pidns_info { pid: 0, tgid: 0 };
    // SAFETY: `ids` is the struct that the helper fills, and its size the one that is passed.
    let failed = unsafe {
        bpf_get_ns_current_pid_tgid(
            global!(pidns_dev),
            global!(pidns_ino),
            &raw mut ids,
            size_of::<bpf_pidns_info>() as u32,
        )
    };
    if failed != 0 || ids.tgid != global!(tracer_pid) {
        return 0;
    }
    control::begin_epoch_at_fold();
    0
}
