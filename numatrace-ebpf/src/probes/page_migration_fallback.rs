//! Pages moved, where programs cannot be attached to functions: their number per call of
//! `migrate_pages`, and the reason.
//!
//! The tracepoints know neither folios nor their nodes nor their owners, so the thread that called
//! is charged, without nodes. `page_migration_start` noted the reason when the call began.
//!
//! tp: 6.1..6.7: mm_migrate_pages(unsigned long succeeded, unsigned long failed, unsigned long thp_succeeded, unsigned long thp_failed, unsigned long thp_split, enum migrate_mode mode, int reason)
//! tp: 6.7..7.3: mm_migrate_pages(unsigned long succeeded, unsigned long failed, unsigned long thp_succeeded, unsigned long thp_failed, unsigned long thp_split, unsigned long large_folio_split, enum migrate_mode mode, int reason)
//! tp: 7.3..: mm_migrate_pages(unsigned long succeeded, unsigned long failed, unsigned long thp_succeeded, unsigned long thp_failed, unsigned long thp_split, unsigned long large_folio_split, enum migrate_mode mode, enum migrate_reason reason)

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use numatrace_common::count_key::{CountKey, Stem};

use super::page_migration::moving;
use crate::{
    count::{
        totals,
        twin::{self, Twin},
    },
    globals::enabled,
    kernel::task::Task,
    who::owner::Owner,
};

/// include/trace/events/migrate.h; the end of a call. Both numbers are base pages.
#[btf_tracepoint(function = "mm_migrate_pages")]
pub fn page_migration_batch(ctx: BtfTracePointContext) -> u32 {
    let task = Task::current();
    call_ended(task, ctx.arg(0), ctx.arg(1));
    if enabled!(tracepoint_twins) {
        twin::leave_mark(Twin::MigrationEnd, task, false);
    }
    0
}

/// The backup copy of `page_migration_batch`.
#[btf_tracepoint(function = "mm_migrate_pages")]
pub fn page_migration_batch_second(ctx: BtfTracePointContext) -> u32 {
    let task = Task::current();
    if twin::was_skipped(Twin::MigrationEnd, task, false) {
        call_ended(task, ctx.arg(0), ctx.arg(1));
    }
    0
}

#[inline(always)]
fn call_ended(task: Task, succeeded: u64, failed: u64) {
    // Without folios there are no runs of them.
    let reason = moving::end_call(task, true);
    for (stem, pages) in [
        (Stem::PageMigration, succeeded),
        (Stem::MigrationFailed, failed),
    ] {
        if pages != 0 {
            totals::add_one(
                Owner::of(task),
                CountKey::new(stem).with_cause(reason),
                pages,
            );
        }
    }
}
