//! Coalesces page moves into runs. Ping-pong detection compares the runs' address ranges.
//!
//! Folios with the same key are one run within a call of `migrate_pages`. Calls that move a single
//! folio, as all calls of NUMA balancing do, share one run per CPU as long as their folios lie
//! close together.

use aya_ebpf::{macros::map, maps::PerCpuArray};
use numatrace_common::event::{
    mapping_run::Area,
    pages_moved::{OpenMoved, PagesMoved},
};

use super::{
    address::is_near,
    emit::{emit_with, header},
};
use crate::{
    clock,
    globals::enabled,
    kernel::{page::bytes, task::Task},
    who::owner::Owner,
};

/// Open runs of single folios.
#[map]
static OPEN_MOVED: PerCpuArray<OpenMoved> = PerCpuArray::with_max_entries(1, 0);

/// Longest duration of a run of single folios, ns: its record carries only the time of its end.
const LONGEST_NS: u64 = 100_000_000;

/// Properties that all moves of a run share.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct MoveKey {
    /// Owner of the memory.
    pub owner: Owner,
    /// The kernel's `enum migrate_reason`.
    pub reason: u32,
    /// Node that the pages left.
    pub from: u16,
    /// Node that they lie on.
    pub to: u16,
}

/// Consecutive moves in one call that are not written yet.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Run {
    key: MoveKey,
    /// Folios; 0 when the run is empty.
    folios: u64,
    /// Base pages.
    pages: u64,
    /// Lowest address.
    low: u64,
    /// First address behind the highest page.
    high: u64,
}

impl Run {
    /// An empty run.
    pub const EMPTY: Run = Run {
        key: MoveKey {
            owner: Owner::NOBODY,
            reason: 0,
            from: 0,
            to: 0,
        },
        folios: 0,
        pages: 0,
        low: 0,
        high: 0,
    };

    /// Adds a folio. A folio with a different key flushes the run first.
    #[inline(always)]
    pub fn add(&mut self, area: &Area, key: MoveKey, address: u64, pages: u64) {
        let was = self.key;
        let fits = was.owner.tgid == key.owner.tgid
            && was.owner.start_ns == key.owner.start_ns
            && was.from == key.from
            && was.to == key.to
            && was.reason == key.reason;
        if !fits {
            self.flush(area);
            self.key = key;
        }
        let (low, high) = (address, address + bytes(pages));
        if self.folios == 0 || low < self.low {
            self.low = low;
        }
        if self.folios == 0 || high > self.high {
            self.high = high;
        }
        self.folios += 1;
        self.pages += pages;
    }

    /// Writes the run and empties it.
    #[inline(always)]
    pub fn flush(&mut self, area: &Area) {
        if self.is_reported() {
            self.emit(area);
        }
        self.clear();
    }

    /// Flushes the run at the end of its call. A single folio joins those of the calls before it on
    /// this CPU, unless `alone`, which says that their run may not be touched.
    #[inline(always)]
    pub fn end_call(&mut self, area: &Area, alone: bool) {
        if self.folios != 1 || alone || !enabled!(gather_moves) {
            self.flush(area);
            return;
        }
        if self.is_reported() {
            self.gather(area);
        }
        self.clear();
    }

    /// Returns whether the run has a record: memory out of scope and moves within a node have none.
    #[inline(always)]
    fn is_reported(&self) -> bool {
        self.folios != 0 && self.key.owner.tid != 0 && self.key.from != self.key.to
    }

    #[inline(always)]
    fn clear(&mut self) {
        self.folios = 0;
        self.pages = 0;
    }

    #[inline(always)]
    fn record(&self, area: &Area) -> PagesMoved {
        PagesMoved {
            header: header::<PagesMoved>(),
            start_ns: self.key.owner.start_ns,
            tid: self.key.owner.tid,
            tgid: self.key.owner.tgid,
            asker: Task::current().tgid(),
            from: self.key.from,
            to: self.key.to,
            reason: self.key.reason,
            folios: self.folios as u32,
            pages: self.pages,
            low: self.low,
            high: if area.end == 0 { 0 } else { self.high },
            area: *area,
        }
    }

    #[inline(never)]
    fn emit(&self, area: &Area) {
        emit_with(|record: &mut PagesMoved| *record = self.record(area));
    }

    /// Adds the run, which is a single folio, to the open run of this CPU, or begins one with it.
    #[inline(never)]
    fn gather(&self, area: &Area) {
        let Some(open) = OPEN_MOVED.get_ptr_mut(0) else {
            return;
        };
        // SAFETY: a live per-CPU element; only the primary copy of one program writes it, and it
        // never nests on one CPU.
        let open = unsafe { &mut *open };
        let now_ns = clock::now();
        let run = &mut open.run;
        let fits = open.began_ns != 0
            && now_ns.wrapping_sub(open.began_ns) < LONGEST_NS
            && run.tgid == self.key.owner.tgid
            && run.start_ns == self.key.owner.start_ns
            && run.from == self.key.from
            && run.to == self.key.to
            && run.reason == self.key.reason
            && run.asker == Task::current().tgid()
            && run.area.start == area.start
            && (run.high == 0 || is_near(run.low, run.high, self.low));
        if fits {
            run.header.time_ns = now_ns;
            run.folios += 1;
            run.pages += self.pages;
            if self.low < run.low {
                run.low = self.low;
            }
            if run.high != 0 && self.high > run.high {
                run.high = self.high;
            }
            return;
        }
        close(open);
        open.run = self.record(area);
        open.began_ns = open.run.header.time_ns;
    }
}

/// Writes the open run, if there is one. The time of its record is that of its last move.
#[inline(always)]
fn close(open: &mut OpenMoved) {
    if open.began_ns == 0 {
        return;
    }
    open.began_ns = 0;
    emit_with(|record: &mut PagesMoved| *record = open.run);
}
