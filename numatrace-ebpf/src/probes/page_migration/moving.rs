//! State of a thread in `migrate_pages`: the reason of the call, and the folio that waits to be
//! charged to a process.

use aya_ebpf::{macros::map, maps::HashMap};
use numatrace_common::{
    bucket,
    count_key::{CountKey, LATENCY_BATCH, LATENCY_FOLIO, REASON_UNKNOWN, Stem},
    event::mapping_run::Area,
    limits::MIGRATING_ENTRIES,
};

use crate::{
    clock,
    count::totals,
    kernel::{folio::Folio, task::Task},
    record::moved_run::{MoveKey, Run},
    who::owner::Owner,
};

/// State of a thread in `migrate_pages`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Moving {
    /// Address of the folio that moved last and is not charged yet; 0 when none waits.
    pub folio: u64,
    /// Base pages of that folio.
    pages: u64,
    /// Reasons of the calls under way plus one, a byte each, the innermost lowest: an allocation of
    /// a target page can itself migrate other pages.
    reasons: u64,
    /// The process of the mapping visited last, as it is charged: its start, ns since boot.
    start_ns: u64,
    /// Its process id; 0 before the first mapping.
    tgid: u32,
    /// Its thread id.
    tid: u32,
    /// Node that the folio left.
    from: u32,
    /// Node that it lies on now.
    to: u32,
    /// Time at which the outermost call under way began, ns since boot; 0 when its begin was not
    /// seen.
    call_ns: u64,
    /// Time at which the copy under way began, ns since boot; 0 when its begin was not seen.
    pub copy_ns: u64,
    /// Duration of the copy of the folio that waits, ns; 0 when it is not known.
    took_ns: u64,
    /// Address at which the folio that waits is mapped, as far as mappings were visited.
    address: u64,
    /// The mapping visited last, in which the run lies.
    area: Area,
    /// Address of the folio whose copy was refused first in this call, 0 when none was: when its
    /// turn comes again, a new round has begun.
    refused: u64,
    /// Base pages whose copy was refused in this round.
    pub refused_pages: u64,
    /// Consecutive moves that are not written yet.
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
    toucher: 0,
};

/// Threads that migrate pages, by thread id. Preallocated.
#[map]
static MIGRATING: HashMap<u32, Moving> = HashMap::with_max_entries(MIGRATING_ENTRIES, 0);

/// Returns the state of a thread. Only the thread itself writes and removes it.
#[inline(always)]
pub fn of(task: Task) -> Option<&'static mut Moving> {
    let moving = MIGRATING.get_ptr_mut(task.tid())?;
    // SAFETY: the element is this thread's alone, and preallocated elements stay mapped as long as
    // the program.
    Some(unsafe { &mut *moving })
}

/// Returns the state of a thread, a new one when there is none: the session began in the middle of
/// the call, or there was no room at its begin. `None` when there is no room now.
#[inline(always)]
pub fn find_or_insert(task: Task) -> Option<&'static mut Moving> {
    if of(task).is_none() {
        let _ = MIGRATING.insert(task.tid(), Moving::new(0, 0), 0);
    }
    of(task)
}

/// Begins a call for a reason of the kernel's `enum migrate_reason`.
#[inline(always)]
pub fn begin_call(task: Task, reason: u32) {
    let reason = u64::from(reason + 1) & 0x7f;
    match of(task) {
        Some(moving) => {
            moving.charge_folio();
            moving.refused = 0;
            moving.refused_pages = 0;
            moving.reasons = moving.reasons << 8 | reason;
        }
        // Without room, the moves of this call have an unknown reason.
        None => {
            let moving = Moving::new(reason, clock::now());
            let _ = MIGRATING.insert(task.tid(), moving, 0);
        }
    }
}

/// Ends the innermost call of a thread, and returns its reason. `alone` keeps its moves out of the
/// run of single folios of this CPU.
#[inline(always)]
pub fn end_call(task: Task, alone: bool) -> u8 {
    let Some(moving) = of(task) else {
        return REASON_UNKNOWN;
    };
    // The last folio still waits if no process had it mapped.
    moving.tgid = 0;
    moving.charge_folio();
    let reason = moving.reason();
    moving.refused = 0;
    moving.refused_pages = 0;
    moving.reasons >>= 8;
    let is_inner = moving.reasons != 0;
    moving.run.end_call(&moving.area, is_inner || alone);
    if !is_inner {
        let took = since(moving.call_ns);
        let _ = MIGRATING.remove(task.tid());
        add_latency(Owner::of(task), reason, LATENCY_BATCH, took);
    }
    reason
}

impl Moving {
    const fn new(reasons: u64, call_ns: u64) -> Self {
        Moving {
            folio: 0,
            pages: 0,
            reasons,
            start_ns: 0,
            tgid: 0,
            tid: 0,
            from: 0,
            to: 0,
            call_ns,
            copy_ns: 0,
            took_ns: 0,
            address: 0,
            area: NOWHERE,
            refused: 0,
            refused_pages: 0,
            run: Run::EMPTY,
        }
    }

    /// Makes a folio that has moved the one that waits.
    #[inline(always)]
    pub fn set_folio(&mut self, dst: Folio, (from, to): (u16, u16), pages: u64) {
        self.charge_folio();
        self.took_ns = since(self.copy_ns);
        self.copy_ns = 0;
        self.folio = dst.address();
        self.pages = pages;
        self.from = u32::from(from);
        self.to = u32::from(to);
        self.tgid = 0;
    }

    /// Notes that the copy of a folio was refused.
    #[inline(always)]
    pub fn add_refused(&mut self, src: Folio) {
        if self.refused == 0 || self.refused == src.address() {
            self.refused = src.address();
            self.refused_pages = 0;
        }
        self.refused_pages += src.pages();
    }

    /// Notes the mapping and address at which the kernel visits the folio that waits.
    #[inline(always)]
    pub fn set_place(&mut self, area: Area, address: u64) {
        if area.start != self.area.start {
            // The moves before it lie in the mapping before it.
            self.run.flush(&self.area);
            self.area = area;
        }
        self.address = address;
    }

    /// Notes the process of the mapping that the kernel visits.
    #[inline(always)]
    pub fn set_owner(&mut self, task: Option<Task>) {
        match task {
            Some(task) => {
                let owner = Owner::of(task.leader());
                self.start_ns = owner.start_ns;
                self.tgid = owner.tgid;
                self.tid = owner.tid;
            }
            None => self.tgid = 0,
        }
    }

    /// Charges the folio that waits, if the mapping visited last belongs to a process: the kernel
    /// has proven that this mapping had it.
    #[inline(always)]
    pub fn confirm_owner(&mut self) {
        if self.tgid != 0 {
            self.charge_folio();
        }
    }

    /// Charges the folio that waits, if one does: to the process visited last, to nobody when there
    /// was none.
    #[inline(always)]
    fn charge_folio(&mut self) {
        if self.folio == 0 {
            return;
        }
        self.folio = 0;
        let owner = if self.tgid == 0 {
            Owner::NOBODY
        } else {
            Owner {
                start_ns: self.start_ns,
                tid: self.tid,
                tgid: self.tgid,
            }
        };
        self.tgid = 0;
        let reason = self.reason();
        count_move(
            owner,
            (self.from as u16, self.to as u16),
            reason,
            self.pages,
        );
        let key = MoveKey {
            owner,
            reason: u32::from(reason),
            from: self.from as u16,
            to: self.to as u16,
        };
        let (address, pages) = (self.address, self.pages);
        self.run.add(&self.area, key, address, pages);
        add_latency(owner, reason, LATENCY_FOLIO, self.took_ns);
        self.took_ns = 0;
        let asker = Task::current().tgid();
        if asker != owner.tgid {
            let count_key = CountKey::new(Stem::MovedBy)
                .with_pid(asker)
                .with_cause(reason);
            totals::add_one(owner, count_key, self.pages);
        }
    }

    /// Returns the reason of the innermost call under way.
    #[inline(always)]
    fn reason(&self) -> u8 {
        match self.reasons as u8 {
            0 => REASON_UNKNOWN,
            reason => reason - 1,
        }
    }
}

/// Counts a folio that moved.
#[inline(always)]
pub fn count_move(owner: Owner, (from, to): (u16, u16), reason: u8, pages: u64) {
    let count_key = CountKey::new(Stem::PageMigration)
        .with_task_node(from)
        .with_page_node(to)
        .with_cause(reason);
    totals::add_one(owner, count_key, pages);
}

/// Counts a duration, if it is known.
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

/// Returns the time since `then`, ns; 0 when that is not known.
#[inline(always)]
fn since(then: u64) -> u64 {
    if then == 0 {
        0
    } else {
        clock::now().wrapping_sub(then)
    }
}
