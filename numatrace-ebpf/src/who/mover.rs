//! What is remembered about a thread between its moves.

use numatrace_common::{counters::Counter, mover::Mover};

use crate::{clock, counters::count, kernel::task::Task, maps::MOVERS};

/// What is known of a thread.
#[inline(always)]
pub fn find(task: Task) -> Option<&'static mut Mover> {
    let mover = MOVERS
        .get_ptr_mut(task.tid())
        // SAFETY: an element of a preallocated map stays readable and writable; one that is removed meanwhile belongs to a thread that
        // has ended, and what is written then is checked against the next owner's start time.
        .map(|mover| unsafe { &mut *mover })?;
    (mover.start_ns == task.start_ns()).then_some(mover)
}

/// The same, with an entry made when there is none. `None` when the table is full.
#[inline(always)]
pub fn of(task: Task) -> Option<&'static mut Mover> {
    if let Some(mover) = find(task) {
        return Some(mover);
    }
    let mover = Mover {
        start_ns: task.start_ns(),
        numa_cpu: 0,
        came_from: 0,
        state: 0,
        crossed_ns: 0,
        far_faults: 0,
    };
    if MOVERS.insert(task.tid(), mover, 0).is_err() {
        count(Counter::LostMovers, 1);
    }
    find(task)
}

/// The thread ends.
#[inline(always)]
pub fn forget(task: Task) {
    let _ = MOVERS.remove(task.tid());
}

/// A hinting fault on a page of another node: what a move away from memory costs. Of threads that never moved nobody asks.
#[inline(always)]
pub fn far_fault(task: Task) {
    if let Some(mover) = find(task) {
        mover.far_faults = mover.far_faults.wrapping_add(1);
    }
}

/// Notes a cross-node move. How long it stayed, ns, when the thread went back to where its last one began; and its hinting faults on pages of other
/// nodes since that one.
#[inline(always)]
pub fn crossed(task: Task, from: u16, to: u16) -> (Option<u64>, u64) {
    let Some(mover) = of(task) else {
        return (None, 0);
    };
    let now = clock::now();
    let stayed = now.wrapping_sub(mover.crossed_ns);
    let back = mover.came_from == to + 1;
    mover.came_from = from + 1;
    mover.crossed_ns = now;
    let far_faults = mover.far_faults;
    mover.far_faults = 0;
    (back.then_some(stayed), far_faults)
}
