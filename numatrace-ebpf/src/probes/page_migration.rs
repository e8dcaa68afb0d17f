//! Pages moved between nodes: whose, from where, to where, why.
//!
//! Four facts come one after another in the thread that moves, and are joined in its entry of `MIGRATING`:
//! the reason when `migrate_pages` begins, both nodes when a folio has moved, a mapping when the kernel visits it to restore its
//! page table entry, and the proof that this mapping had one (a walk also visits mappings that only could have had it). The
//! first process so proven is charged with the whole folio, once. A folio that nobody has mapped is nobody's.
//! Times are of a folio's copy and of the whole outermost call.
//! Of pages that stay the kernel tells how many; that somebody else held them shows in copies that are refused, once per attempt.
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

use aya_ebpf::{
    macros::{btf_tracepoint, fentry, fexit, map},
    maps::HashMap,
    programs::{BtfTracePointContext, FEntryContext, FExitContext},
};
use numatrace_common::{
    bucket,
    count_key::{
        CountKey, FAILED_BUSY, FAILED_OTHER, LATENCY_BATCH, LATENCY_FOLIO, REASON_UNKNOWN, Stem,
    },
    event::mapping_run::Area,
    limits::MIGRATING_ENTRIES,
};

use crate::{
    clock,
    count::{
        totals,
        twin::{self, Twin},
    },
    globals::enabled,
    kernel::{folio::Folio, mm, task::Task, vma},
    record::moved_run::{Alike, NOTHING, Run},
    who::owner::Owner,
};

/// What a thread in `migrate_pages` is at.
#[repr(C)]
#[derive(Clone, Copy)]
struct Moving {
    /// Address of the folio that moved last and is not charged yet; 0 when none waits.
    folio: u64,
    /// Its base pages.
    pages: u64,
    /// Reasons of the calls under way, one byte each, the innermost lowest, plus one: getting a target page can itself migrate others.
    reasons: u64,
    /// Process of the mapping visited last, as it is charged: its start.
    start_ns: u64,
    /// Its process id; 0 before the first mapping.
    tgid: u32,
    /// Its thread id as it is charged.
    tid: u32,
    /// Node it came from.
    from: u32,
    /// Node it lies on now.
    to: u32,
    /// When the outermost call under way began, ns since boot; 0 when that was not seen.
    call_ns: u64,
    /// When the copy under way began, ns since boot; 0 when that was not seen.
    copy_ns: u64,
    /// How long the copy of the folio that waits took, ns; 0 when it is not known.
    took_ns: u64,
    /// Where the folio that waits is mapped, as far as visited.
    address: u64,
    /// The mapping visited last; the run lies in it.
    area: Area,
    /// Address of the folio whose copy was refused first in this call, 0 when none was: when its turn comes again, a new round has begun.
    refused: u64,
    /// Base pages whose copy was refused in this round.
    refused_pages: u64,
    /// Moves alike that are not told of yet.
    run: Run,
}

/// No mapping.
const NOWHERE: Area = Area {
    start: 0,
    end: 0,
    flags: 0,
    pgoff: 0,
    ino: 0,
    dev: 0,
    reserved: 0,
};

impl Moving {
    const fn with_reason(reason: u32) -> Self {
        Moving {
            folio: 0,
            pages: 0,
            reasons: reason as u64 & 0x7f,
            start_ns: 0,
            tgid: 0,
            tid: 0,
            from: 0,
            to: 0,
            call_ns: 0,
            copy_ns: 0,
            took_ns: 0,
            address: 0,
            area: NOWHERE,
            refused: 0,
            refused_pages: 0,
            run: NOTHING,
        }
    }
}

/// Threads that migrate pages, by thread id. Preallocated.
#[map]
static MIGRATING: HashMap<u32, Moving> = HashMap::with_max_entries(MIGRATING_ENTRIES, 0);

/// include/trace/events/migrate.h; once per call of `migrate_pages`, which 6.1 cannot attach to itself.
#[btf_tracepoint(function = "mm_migrate_pages_start")]
pub fn page_migration_start(ctx: BtfTracePointContext) -> u32 {
    started(ctx.arg(1));
    if enabled!(tracepoint_twins) {
        twin::ran(Twin::MigrationStart, Task::current(), false);
    }
    0
}

/// The twin.
#[btf_tracepoint(function = "mm_migrate_pages_start")]
pub fn page_migration_start_second(ctx: BtfTracePointContext) -> u32 {
    if twin::skipped(Twin::MigrationStart, Task::current(), false) {
        started(ctx.arg(1));
    }
    0
}

#[inline(always)]
fn started(reason: u32) {
    let reason = reason + 1;
    let tid = Task::current().tid();
    match state(tid) {
        Some(moving) => {
            settle(moving);
            moving.refused = 0;
            moving.refused_pages = 0;
            moving.reasons = moving.reasons << 8 | u64::from(reason & 0x7f);
        }
        // No room: the moves themselves will say that they do not know why.
        None => {
            let moving = Moving {
                call_ns: clock::now(),
                ..Moving::with_reason(reason)
            };
            let _ = MIGRATING.insert(tid, moving, 0);
        }
    }
}

/// mm/migrate.c; the copy begins. A skipped run costs the time of one folio, no more.
#[fentry(function = "move_to_new_folio")]
pub fn page_migration_enter(_ctx: FEntryContext) -> u32 {
    if let Some(moving) = state(Task::current().tid()) {
        moving.copy_ns = clock::now();
    }
    0
}

/// mm/migrate.c; once per folio that moved, retries return an error.
#[fexit(function = "move_to_new_folio")]
pub fn page_migration(ctx: FExitContext) -> u32 {
    if ctx.arg::<i32>(3) == 0 {
        moved(Folio::from_arg(ctx.arg(0)), Folio::from_arg(ctx.arg(1)));
        twin::ran(Twin::Migration, Task::current(), false);
    } else {
        refused(Folio::from_arg(ctx.arg(1)));
    }
    0
}

/// The twin.
#[fexit(function = "move_to_new_folio")]
pub fn page_migration_second(ctx: FExitContext) -> u32 {
    if ctx.arg::<i32>(3) == 0 && twin::skipped(Twin::Migration, Task::current(), false) {
        moved(Folio::from_arg(ctx.arg(0)), Folio::from_arg(ctx.arg(1)));
    }
    0
}

/// The copy was refused: somebody holds a reference that the kernel cannot account for. It tries again some rounds later.
#[inline(always)]
fn refused(src: Folio) {
    let Some(moving) = state(Task::current().tid()) else {
        return;
    };
    if moving.refused == 0 || moving.refused == src.address() {
        moving.refused = src.address();
        moving.refused_pages = 0;
    }
    moving.refused_pages += src.pages();
}

#[inline(always)]
fn moved(dst: Folio, src: Folio) {
    let tid = Task::current().tid();
    if state(tid).is_none() {
        // The session began in the middle of the call, or there was no room.
        let _ = MIGRATING.insert(tid, Moving::with_reason(0), 0);
    }
    let (from, to, pages) = (src.node(), dst.node(), src.pages());
    let Some(moving) = state(tid) else {
        charge(
            Owner::NOBODY,
            u32::from(from),
            u32::from(to),
            REASON_UNKNOWN,
            pages,
        );
        return;
    };
    settle(moving);
    moving.took_ns = since(moving.copy_ns);
    moving.copy_ns = 0;
    moving.folio = dst.address();
    moving.pages = pages;
    moving.from = u32::from(from);
    moving.to = u32::from(to);
    moving.tgid = 0;
}

/// mm/migrate.c; for each mapping that may have had the folio, after it moved. With the old folio after a failure.
#[fentry(function = "remove_migration_pte")]
pub fn page_migration_owner(ctx: FEntryContext) -> u32 {
    visited(&ctx)
}

/// The twin: to visit twice changes nothing.
#[fentry(function = "remove_migration_pte")]
pub fn page_migration_owner_second(ctx: FEntryContext) -> u32 {
    visited(&ctx)
}

#[inline(always)]
fn visited(ctx: &FEntryContext) -> u32 {
    let folio = Folio::from_arg(ctx.arg(0));
    if let Some(moving) = state(Task::current().tid())
        && moving.folio == folio.address()
    {
        if enabled!(mapping_runs) {
            let area = vma::area(ctx.arg(1));
            if area.start != moving.area.start {
                // What was moved before lies elsewhere.
                moving.run.tell(&moving.area);
                moving.area = area;
            }
            moving.address = ctx.arg(2);
        }
        match mm::owner(ctx.arg(1)) {
            Some(task) => {
                let owner = Owner::of(task.leader());
                moving.start_ns = owner.start_ns;
                moving.tgid = owner.tgid;
                moving.tid = owner.tid;
            }
            None => moving.tgid = 0,
        }
    }
    0
}

/// include/trace/events/migrate.h; the mapping visited last had the page.
#[btf_tracepoint(function = "remove_migration_pte")]
pub fn page_migration_pte(_ctx: BtfTracePointContext) -> u32 {
    confirm()
}

/// The twin: what is charged is charged once.
#[btf_tracepoint(function = "remove_migration_pte")]
pub fn page_migration_pte_second(_ctx: BtfTracePointContext) -> u32 {
    confirm()
}

/// include/trace/events/thp.h; the same for a huge page mapped as one.
#[btf_tracepoint(function = "remove_migration_pmd")]
pub fn page_migration_pmd(_ctx: BtfTracePointContext) -> u32 {
    confirm()
}

#[inline(always)]
fn confirm() -> u32 {
    if let Some(moving) = state(Task::current().tid())
        && moving.tgid != 0
    {
        settle(moving);
    }
    0
}

/// include/trace/events/migrate.h; the end of a call. Who asked is charged with what stayed.
#[btf_tracepoint(function = "mm_migrate_pages")]
pub fn page_migration_end(ctx: BtfTracePointContext) -> u32 {
    ended(ctx.arg(1), false);
    if enabled!(tracepoint_twins) {
        twin::ran(Twin::MigrationEnd, Task::current(), false);
    }
    0
}

/// The twin, past the run that the first may have been stopped in the middle of.
#[btf_tracepoint(function = "mm_migrate_pages")]
pub fn page_migration_end_second(ctx: BtfTracePointContext) -> u32 {
    if twin::skipped(Twin::MigrationEnd, Task::current(), false) {
        ended(ctx.arg(1), true);
    }
    0
}

#[inline(always)]
fn ended(failed: u64, alone: bool) {
    let task = Task::current();
    let busy = state(task.tid()).map_or(0, |moving| moving.refused_pages);
    let busy = if busy < failed { busy } else { failed };
    let reason = close(task, alone);
    for (mark, pages) in [(FAILED_BUSY, busy), (FAILED_OTHER, failed - busy)] {
        if pages != 0 {
            let count_key = CountKey::new(Stem::MigrationFailed)
                .with_cause(reason)
                .with_mark(mark);
            totals::add_one(Owner::of(task), count_key, pages);
        }
    }
}

/// Ends the innermost call of a thread and says what its reason was. `alone`: past the run of single folios on this CPU.
#[inline(always)]
pub(super) fn close(task: Task, alone: bool) -> u8 {
    let tid = task.tid();
    let Some(moving) = state(tid) else {
        return REASON_UNKNOWN;
    };
    // The last folio, if nobody had it mapped.
    moving.tgid = 0;
    settle(moving);
    let reason = reason_of(moving);
    moving.refused = 0;
    moving.refused_pages = 0;
    moving.reasons >>= 8;
    let inner = moving.reasons != 0;
    moving.run.hand_over(&moving.area, inner || alone);
    if !inner {
        let took = since(moving.call_ns);
        let _ = MIGRATING.remove(tid);
        add_latency(Owner::of(task), reason, LATENCY_BATCH, took);
    }
    reason
}

/// This thread's entry. Nobody else writes it, and only the thread itself removes it.
#[inline(always)]
fn state(tid: u32) -> Option<&'static mut Moving> {
    // SAFETY: the element is this thread's alone, and preallocated elements stay mapped as long as the program.
    MIGRATING
        .get_ptr_mut(tid)
        .map(|moving| unsafe { &mut *moving })
}

/// Charges the folio that waits, if one does: to the process last seen, to nobody when there was none.
#[inline(always)]
fn settle(moving: &mut Moving) {
    if moving.folio == 0 {
        return;
    }
    moving.folio = 0;
    let owner = if moving.tgid == 0 {
        Owner::NOBODY
    } else {
        Owner {
            start_ns: moving.start_ns,
            tid: moving.tid,
            tgid: moving.tgid,
        }
    };
    moving.tgid = 0;
    let reason = reason_of(moving);
    charge(owner, moving.from, moving.to, reason, moving.pages);
    let alike = Alike {
        owner,
        reason: u32::from(reason),
        from: moving.from as u16,
        to: moving.to as u16,
    };
    let (address, pages) = (moving.address, moving.pages);
    moving.run.extend(&moving.area, alike, address, pages);
    add_latency(owner, reason, LATENCY_FOLIO, moving.took_ns);
    moving.took_ns = 0;
    let asker = Task::current().tgid();
    if asker != owner.tgid {
        let count_key = CountKey::new(Stem::MovedBy)
            .with_pid(asker)
            .with_cause(reason);
        totals::add_one(owner, count_key, moving.pages);
    }
}

/// Counts how long something took, if that is known.
#[inline(always)]
fn add_latency(owner: Owner, reason: u8, mark: u8, ns: u64) {
    if ns != 0 {
        let count_key = CountKey::new(Stem::MigrationLatency)
            .with_bucket(bucket::of(ns))
            .with_cause(reason)
            .with_mark(mark);
        totals::add_one(owner, count_key, ns);
    }
}

/// Time since then, 0 when that is not known.
#[inline(always)]
fn since(then: u64) -> u64 {
    if then == 0 {
        0
    } else {
        clock::now().wrapping_sub(then)
    }
}

/// Why the innermost call under way migrates.
#[inline(always)]
fn reason_of(moving: &Moving) -> u8 {
    match moving.reasons as u8 {
        0 => REASON_UNKNOWN,
        reason => reason - 1,
    }
}

#[inline(always)]
fn charge(owner: Owner, from: u32, to: u32, reason: u8, pages: u64) {
    let count_key = CountKey::new(Stem::PageMigration)
        .with_task_node(from as u16)
        .with_page_node(to as u16)
        .with_cause(reason);
    totals::add_one(owner, count_key, pages);
}
