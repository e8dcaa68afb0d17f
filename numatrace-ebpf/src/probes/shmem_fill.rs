//! Pages that join a file of tmpfs or other shared memory: which thread wrote which file, and the
//! node of its pages.
//!
//! The page cache's tracepoint does not fire for them, and write(2) and fallocate(2) bring pages in
//! without a fault. Pages of huge size are one call.
//!
//! proto: 6.1..6.7: int shmem_add_to_page_cache(struct folio *folio, struct address_space *mapping, unsigned long index, void *expected, gfp_t gfp, struct mm_struct *charge_mm)
//! proto: 6.7..: int shmem_add_to_page_cache(struct folio *folio, struct address_space *mapping, unsigned long index, void *expected, gfp_t gfp)

use aya_ebpf::{
    EbpfContext as _, helpers::generated::bpf_get_func_ret, macros::fexit, programs::FExitContext,
};

use super::page_cache;
use crate::{
    globals::enabled,
    kernel::{folio::Folio, task::Task},
    record::fill_run::Way,
};

/// mm/shmem.c: 0 when the folio has joined.
#[fexit(function = "shmem_add_to_page_cache")]
pub fn shmem_fill(ctx: FExitContext) -> u32 {
    let mut error = 0u64;
    // SAFETY: writes eight bytes to `error`.
    let unknown = unsafe { bpf_get_func_ret(ctx.as_ptr(), &raw mut error) } != 0;
    if enabled!(mapping_runs) && !unknown && error as u32 == 0 {
        let folio: *const u8 = ctx.arg(0);
        let task = Task::current();
        page_cache::folio_added(Way::SharedMemory, folio, Folio::from_arg(folio), task);
    }
    0
}
