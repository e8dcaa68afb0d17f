//! Moves of pages on their way into records: folios alike are one run within a call of `migrate_pages`, and calls that move a single folio, which are all
//! that NUMA balancing makes, one run per CPU as long as they lie close together: what goes to and fro is told from where runs lie.
//!
//! Beside the totals, which are exact whatever happens here: a lost run loses detail, never a number.

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
    globals::enabled,
    kernel::{page::bytes, task::Task},
    who::owner::Owner,
};

/// Runs of single folios under way.
#[map]
static OPEN_MOVED: PerCpuArray<OpenMoved> = PerCpuArray::with_max_entries(1, 0);

/// Longest that a run of single folios goes on, ns: its record has the time of its end alone.
const LONGEST_NS: u64 = 100_000_000;

/// What moves must have in common to be one run.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Alike {
    /// Whose memory.
    pub owner: Owner,
    /// Why.
    pub reason: u32,
    /// Node they left.
    pub from: u16,
    /// Node they lie on.
    pub to: u16,
}

/// Consecutive moves in one call that are not told of yet.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Run {
    alike: Alike,
    /// Folios; 0 when there is nothing to tell.
    folios: u64,
    /// Base pages.
    pages: u64,
    /// Lowest address.
    low: u64,
    /// First address behind the highest page.
    high: u64,
}

/// An empty run.
pub const NOTHING: Run = Run {
    alike: Alike {
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

impl Run {
    /// Adds a folio, telling of what came before where it does not fit.
    #[inline(always)]
    pub fn extend(&mut self, area: &Area, alike: Alike, address: u64, pages: u64) {
        let was = self.alike;
        let fits = was.owner.tgid == alike.owner.tgid
            && was.owner.start_ns == alike.owner.start_ns
            && was.from == alike.from
            && was.to == alike.to
            && was.reason == alike.reason;
        if !fits {
            self.tell(area);
            self.alike = alike;
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

    /// Sends it to the ring and empties it.
    #[inline(always)]
    pub fn tell(&mut self, area: &Area) {
        if self.is_worth_telling() {
            self.write_alone(area);
        }
        self.empty();
    }

    /// The call is over: a single folio goes with those of the calls before it on this CPU. `alone` when their run may not be touched.
    #[inline(always)]
    pub fn hand_over(&mut self, area: &Area, alone: bool) {
        if self.folios != 1 || alone || !enabled!(gather_moves) {
            self.tell(area);
            return;
        }
        if self.is_worth_telling() {
            self.gather(area);
        }
        self.empty();
    }

    /// Nobody wants to hear of memory that is not in scope, nor of moves within a node.
    #[inline(always)]
    fn is_worth_telling(&self) -> bool {
        self.folios != 0 && self.alike.owner.tid != 0 && self.alike.from != self.alike.to
    }

    #[inline(always)]
    fn empty(&mut self) {
        self.folios = 0;
        self.pages = 0;
    }

    #[inline(always)]
    fn record(&self, area: &Area) -> PagesMoved {
        PagesMoved {
            header: header::<PagesMoved>(),
            start_ns: self.alike.owner.start_ns,
            tid: self.alike.owner.tid,
            tgid: self.alike.owner.tgid,
            asker: Task::current().tgid(),
            from: self.alike.from,
            to: self.alike.to,
            reason: self.alike.reason,
            folios: self.folios as u32,
            pages: self.pages,
            low: self.low,
            high: if area.end == 0 { 0 } else { self.high },
            area: *area,
        }
    }

    #[inline(never)]
    fn write_alone(&self, area: &Area) {
        emit_with(|record: &mut PagesMoved| *record = self.record(area));
    }

    #[inline(never)]
    fn gather(&self, area: &Area) {
        let Some(open) = OPEN_MOVED.get_ptr_mut(0) else {
            return;
        };
        // SAFETY: a live per-CPU element; only the first copy of one program writes it, and that never nests on one CPU.
        let open = unsafe { &mut *open };
        let now = header::<PagesMoved>();
        let run = &mut open.run;
        let fits = open.began_ns != 0
            && now.time_ns.wrapping_sub(open.began_ns) < LONGEST_NS
            && run.tgid == self.alike.owner.tgid
            && run.start_ns == self.alike.owner.start_ns
            && run.from == self.alike.from
            && run.to == self.alike.to
            && run.reason == self.alike.reason
            && run.asker == Task::current().tgid()
            && run.area.start == area.start
            && (run.high == 0 || is_near(run.low, run.high, self.low));
        if fits {
            run.header.time_ns = now.time_ns;
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

/// Writes the run that ends here, if there is one. Its time is that of its last move.
#[inline(always)]
fn close(open: &mut OpenMoved) {
    if open.began_ns == 0 {
        return;
    }
    open.began_ns = 0;
    emit_with(|record: &mut PagesMoved| *record = open.run);
}
