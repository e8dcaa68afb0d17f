//! Pages that direct compaction captures: it hands a page that it freed straight to the task that
//! looked for one (mm/page_alloc.c, `compaction_capture`).
//!
//! Such a page passes neither numastat's counters nor the allocation hook, so it must not be among
//! the allocations, and the audit stays exact without it. A fault maps it all the same: it is a
//! first touch. Its pages are counted under a name of their own too.
//!
//! proto: 6.1..7.3: enum compact_result try_to_compact_pages(gfp_t gfp_mask, unsigned int order, unsigned int alloc_flags, const struct alloc_context *ac, enum compact_priority prio, struct page **capture)
//! proto: 7.3..: enum compact_result try_to_compact_pages(gfp_t gfp_mask, unsigned int order, unsigned int alloc_flags, const struct alloc_context *ac, enum compact_priority prio, struct capture_control *capc)

use aya_ebpf::{
    EbpfContext as _,
    helpers::{bpf_probe_read_kernel, generated::bpf_get_func_arg},
    macros::fexit,
    programs::FExitContext,
};
use numatrace_common::counters::Counter;

use crate::{
    counters::count,
    globals::{enabled, global},
    kernel::page,
    record::touch_outside,
};

/// mm/compaction.c
#[fexit(function = "try_to_compact_pages")]
pub fn page_captured(ctx: FExitContext) -> u32 {
    if enabled!(probe_read)
        && let Some(page) = captured(&ctx)
    {
        let (gfp, order): (u32, u32) = (ctx.arg(0), ctx.arg(1));
        count(Counter::CapturedPages, 1 << (order & 31));
        let flags_at = page.wrapping_add(u64::from(global!(offsets.page_flags)));
        // SAFETY: the helper checks the address and fails where it is not mapped.
        let flags = unsafe { bpf_probe_read_kernel(flags_at as *const u64) };
        if let Ok(flags) = flags {
            touch_outside::count_captured(gfp, order, page::node_of_flags(flags));
        }
    }
    0
}

/// Returns the address of the page that was captured, `None` when none was. The verifier knows no
/// pointer to a pointer.
#[inline(always)]
fn captured(ctx: &FExitContext) -> Option<u64> {
    let mut control = 0u64;
    // SAFETY: writes eight bytes to `control`.
    if unsafe { bpf_get_func_arg(ctx.as_ptr(), 5, &raw mut control) } != 0 {
        return None;
    }
    let at = control.wrapping_add(u64::from(global!(offsets.captured_page)));
    // SAFETY: the helper checks the address and fails where it is not mapped.
    let page = unsafe { bpf_probe_read_kernel(at as *const u64) };
    page.ok().filter(|page| *page != 0)
}
