//! Pages moved between nodes: whose, from where, to where, why.
//!
//! Four facts come one after another in the thread that moves pages, and are joined in its entry of
//! `MIGRATING`: the reason when `migrate_pages` begins, both nodes when a folio has moved, a
//! mapping when the kernel visits it to restore its page table entry, and the proof that this
//! mapping had one (a walk also visits mappings that only could have had it). The first process so
//! proven is charged with the whole folio, once; a folio that no process has mapped is charged to
//! nobody. Durations are of a folio's copy and of the whole outermost call.
//!
//! Of pages that stay the kernel gives the number. A copy is refused when somebody else holds a
//! reference to the folio, once per attempt.
//!
//! proto: 6.1..: int move_to_new_folio(struct folio *dst, struct folio *src, enum migrate_mode mode)
//! proto: 6.1..: bool remove_migration_pte(struct folio *folio, struct vm_area_struct *vma, unsigned long addr, void *arg)
//! tp: 6.1..: remove_migration_pte(unsigned long addr, unsigned long pte, int order)
//! tp: 6.1..: remove_migration_pmd(unsigned long addr, unsigned long pmd)
//! tp: 6.1..7.3: mm_migrate_pages_start(enum migrate_mode mode, int reason)
//! tp: 7.3..: mm_migrate_pages_start(enum migrate_mode mode, enum migrate_reason reason)
//! tp: 6.1..6.7: mm_migrate_pages(unsigned long succeeded, unsigned long failed, unsigned long thp_succeeded, unsigned long thp_failed, unsigned long thp_split, enum migrate_mode mode, int reason)
//! tp: 6.7..7.3: mm_migrate_pages(unsigned long succeeded, unsigned long failed, unsigned long thp_succeeded, unsigned long thp_failed, unsigned long thp_split, unsigned long large_folio_split, enum migrate_mode mode, int reason)
//! tp: 7.3..: mm_migrate_pages(unsigned long succeeded, unsigned long failed, unsigned long thp_succeeded, unsigned long thp_failed, unsigned long thp_split, unsigned long large_folio_split, enum migrate_mode mode, enum migrate_reason reason)

pub mod moving;

use aya_ebpf::{
    macros::{btf_tracepoint, fentry, fexit},
    programs::{BtfTracePointContext, FEntryContext, FExitContext},
};
use numatrace_common::count_key::{CountKey, FAILED_BUSY, FAILED_OTHER, REASON_UNKNOWN, Stem};

use crate::{
    clock,
    count::{
        totals,
        twin::{self, Twin},
    },
    globals::enabled,
    kernel::{folio::Folio, mm, task::Task, vma},
    who::owner::Owner,
};

/// include/trace/events/migrate.h; once per call of `migrate_pages`, a function that 6.1 does not
/// let programs attach to.
#[btf_tracepoint(function = "mm_migrate_pages_start")]
pub fn page_migration_start(ctx: BtfTracePointContext) -> u32 {
    let task = Task::current();
    moving::begin_call(task, ctx.arg(1));
    if enabled!(tracepoint_twins) {
        twin::leave_mark(Twin::MigrationStart, task, false);
    }
    0
}

/// The backup copy of `page_migration_start`.
#[btf_tracepoint(function = "mm_migrate_pages_start")]
pub fn page_migration_start_second(ctx: BtfTracePointContext) -> u32 {
    let task = Task::current();
    if twin::was_skipped(Twin::MigrationStart, task, false) {
        moving::begin_call(task, ctx.arg(1));
    }
    0
}

/// mm/migrate.c; the copy begins. A skipped run costs the duration of one folio, no more.
#[fentry(function = "move_to_new_folio")]
pub fn page_migration_enter(_ctx: FEntryContext) -> u32 {
    if let Some(moving) = moving::of(Task::current()) {
        moving.copy_ns = clock::now();
    }
    0
}

/// mm/migrate.c; once per folio that moved, retries return an error.
#[fexit(function = "move_to_new_folio")]
pub fn page_migration(ctx: FExitContext) -> u32 {
    let task = Task::current();
    if ctx.arg::<i32>(3) == 0 {
        folio_moved(
            task,
            Folio::from_arg(ctx.arg(0)),
            Folio::from_arg(ctx.arg(1)),
        );
        twin::leave_mark(Twin::Migration, task, false);
    } else if let Some(moving) = moving::of(task) {
        // Somebody holds a reference that the kernel cannot account for. The kernel tries again.
        moving.add_refused(Folio::from_arg(ctx.arg(1)));
    }
    0
}

/// The backup copy of `page_migration`.
#[fexit(function = "move_to_new_folio")]
pub fn page_migration_second(ctx: FExitContext) -> u32 {
    let task = Task::current();
    if ctx.arg::<i32>(3) == 0 && twin::was_skipped(Twin::Migration, task, false) {
        folio_moved(
            task,
            Folio::from_arg(ctx.arg(0)),
            Folio::from_arg(ctx.arg(1)),
        );
    }
    0
}

#[inline(always)]
fn folio_moved(task: Task, dst: Folio, src: Folio) {
    let (from, to, pages) = (src.node(), dst.node(), src.pages());
    match moving::find_or_insert(task) {
        Some(moving) => moving.set_folio(dst, (from, to), pages),
        None => moving::count_move(Owner::NOBODY, (from, to), REASON_UNKNOWN, pages),
    }
}

/// mm/migrate.c; for each mapping that may have had the folio, after the folio moved. After a
/// failure, with the old folio.
#[fentry(function = "remove_migration_pte")]
pub fn page_migration_owner(ctx: FEntryContext) -> u32 {
    mapping_visited(&ctx)
}

/// The backup copy of `page_migration_owner`: a second visit changes nothing.
#[fentry(function = "remove_migration_pte")]
pub fn page_migration_owner_second(ctx: FEntryContext) -> u32 {
    mapping_visited(&ctx)
}

#[inline(always)]
fn mapping_visited(ctx: &FEntryContext) -> u32 {
    let folio = Folio::from_arg(ctx.arg(0));
    if let Some(moving) = moving::of(Task::current())
        && moving.folio == folio.address()
    {
        if enabled!(mapping_runs) {
            moving.set_place(vma::area(ctx.arg(1)), ctx.arg(2));
        }
        moving.set_owner(mm::owner(ctx.arg(1)));
    }
    0
}

/// include/trace/events/migrate.h; the mapping visited last had the page.
#[btf_tracepoint(function = "remove_migration_pte")]
pub fn page_migration_pte(_ctx: BtfTracePointContext) -> u32 {
    entry_restored()
}

/// The backup copy of `page_migration_pte`: a folio is charged once.
#[btf_tracepoint(function = "remove_migration_pte")]
pub fn page_migration_pte_second(_ctx: BtfTracePointContext) -> u32 {
    entry_restored()
}

/// include/trace/events/thp.h; the mapping visited last had the huge page, mapped as one.
#[btf_tracepoint(function = "remove_migration_pmd")]
pub fn page_migration_pmd(_ctx: BtfTracePointContext) -> u32 {
    entry_restored()
}

#[inline(always)]
fn entry_restored() -> u32 {
    if let Some(moving) = moving::of(Task::current()) {
        moving.confirm_owner();
    }
    0
}

/// include/trace/events/migrate.h; the end of a call. The thread that called is charged with the
/// pages that stayed.
#[btf_tracepoint(function = "mm_migrate_pages")]
pub fn page_migration_end(ctx: BtfTracePointContext) -> u32 {
    let task = Task::current();
    call_ended(task, ctx.arg(1), false);
    if enabled!(tracepoint_twins) {
        twin::leave_mark(Twin::MigrationEnd, task, false);
    }
    0
}

/// The backup copy of `page_migration_end`, past the run that the primary may have been stopped in
/// the middle of.
#[btf_tracepoint(function = "mm_migrate_pages")]
pub fn page_migration_end_second(ctx: BtfTracePointContext) -> u32 {
    let task = Task::current();
    if twin::was_skipped(Twin::MigrationEnd, task, false) {
        call_ended(task, ctx.arg(1), true);
    }
    0
}

#[inline(always)]
fn call_ended(task: Task, failed: u64, alone: bool) {
    let busy = moving::of(task).map_or(0, |moving| moving.refused_pages);
    let busy = if busy < failed { busy } else { failed };
    let reason = moving::end_call(task, alone);
    for (mark, pages) in [(FAILED_BUSY, busy), (FAILED_OTHER, failed - busy)] {
        if pages != 0 {
            let count_key = CountKey::new(Stem::MigrationFailed)
                .with_cause(reason)
                .with_mark(mark);
            totals::add_one(Owner::of(task), count_key, pages);
        }
    }
}
