//! Notes on a thread between its moves, from which the reason of the next one follows.

use numatrace_common::{counters::Counter, mover::Mover};

use crate::{clock, counters, kernel::task::Task, maps::MOVERS};

/// No notes.
pub const NO_NOTES: Mover = Mover {
    start_ns: 0,
    numa_cpu: 0,
    came_from: 0,
    state: 0,
    crossed_ns: 0,
    remote_faults: 0,
};

/// Returns the notes on a thread, if there are any.
#[inline(always)]
pub fn find(task: Task) -> Option<&'static mut Mover> {
    let mover = MOVERS
        .get_ptr_mut(task.tid())
        // SAFETY: an element of a preallocated map stays readable and writable; one that is removed
        // meanwhile belongs to a thread that has ended, and its start time keeps later writes from
        // being taken for the next owner's.
        .map(|mover| unsafe { &mut *mover })?;
    (mover.start_ns == task.start_ns()).then_some(mover)
}

/// Returns the notes on a thread, new ones when there are none; `None` when the table is full.
#[inline(always)]
pub fn find_or_insert(task: Task) -> Option<&'static mut Mover> {
    if let Some(mover) = find(task) {
        return Some(mover);
    }
    let mover = Mover {
        start_ns: task.start_ns(),
        ..NO_NOTES
    };
    if MOVERS.insert(task.tid(), mover, 0).is_err() {
        counters::count(Counter::LostMovers, 1);
    }
    find(task)
}

/// Removes the notes on a thread that ends.
#[inline(always)]
pub fn forget(task: Task) {
    let _ = MOVERS.remove(task.tid());
}

/// Counts a hinting fault on a page of a different node: the cost of a move away from memory.
/// Threads that never moved have no notes and are ignored.
#[inline(always)]
pub fn count_remote_fault(task: Task) {
    if let Some(mover) = find(task) {
        mover.remote_faults = mover.remote_faults.wrapping_add(1);
    }
}

/// Notes a cross-node move.
///
/// Returns how long the thread stayed on the node, in ns, when it goes back to the node that its
/// last cross-node move left; and its hinting faults on pages of other nodes since that move.
#[inline(always)]
pub fn note_crossing(task: Task, from: u16, to: u16) -> (Option<u64>, u64) {
    let Some(mover) = find_or_insert(task) else {
        return (None, 0);
    };
    let now = clock::now();
    let stayed = now.wrapping_sub(mover.crossed_ns);
    let back = mover.came_from == to + 1;
    mover.came_from = from + 1;
    mover.crossed_ns = now;
    let remote_faults = mover.remote_faults;
    mover.remote_faults = 0;
    (back.then_some(stayed), remote_faults)
}
