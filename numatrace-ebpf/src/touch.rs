//! First touch: which allocations are user pages that a fault makes.
//!
//! `probes/page_fault.rs` notes the fault each CPU is in; the allocation program asks here. A task that is switched out in the middle of
//! a fault (it waits for a file, or is preempted) takes its fault along and finds it again wherever it goes on.

use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap, PerCpuArray},
    programs::tracing::StackIdContext,
};
use numatrace_common::{
    cell::{Cell, RemoteCause, Stem, TOUCH_THP},
    counters::Counter,
    event::mapping_run::OpenIndex,
    limits::PARKED_ENTRIES,
    slot::{FAULT_MOVES, Fault, SlotIndex},
};

use crate::{
    emit::count,
    globals::{enabled, global},
    kernel::{task::Task, vma},
    maps::FAULTS,
    runs, totals,
    twin::Copy,
};

/// Faults of threads that were switched out in the middle of one, by thread id.
#[map]
static PARKED_FAULTS: HashMap<u32, Fault> = HashMap::with_max_entries(PARKED_ENTRIES, 0);

/// How many there are, added up modulo 2^64: while it is zero nobody looks for one.
#[map]
static PARKED: Array<u64> = Array::with_max_entries(1, 0);

/// On the fallback: where the task on each CPU faulted last.
#[map]
static USER_FAULTS: PerCpuArray<Fault> = PerCpuArray::with_max_entries(1, 0);

/// `task` enters a fault at an address of a mapping.
#[inline(always)]
pub fn begin(task: Task, vma: *const u8, address: u64, flags: u32) {
    let (kind, marks) = vma::touch(vma, address, flags);
    if let Some(fault) = FAULTS.get_ptr_mut(0) {
        // SAFETY: a live per-CPU element.
        unsafe {
            (*fault).task = task.address();
            (*fault).switches = task.switches();
            (*fault).kind = kind as u32;
            (*fault).marks = u32::from(marks);
            if enabled!(mapping_runs) {
                (*fault).address = address;
                (*fault).area = vma::area(vma);
            }
        }
    }
}

/// The fault `task` is in, if it is in one.
#[inline(always)]
pub fn fault_of(task: Task) -> Option<&'static Fault> {
    let fault = FAULTS.get_ptr_mut(0)?;
    // SAFETY: a live per-CPU element. Another task's fault can take its place when this one is switched out, and then this one's is parked.
    let fault = unsafe { &mut *fault };
    if !is_of(fault, task) {
        *fault = unpark(task)?;
        fault.switches = task.switches();
    }
    Some(fault)
}

/// The fault `task` is in turns out to be a hinting fault.
#[inline(always)]
pub fn only_moves(task: Task) {
    if enabled!(first_touch)
        && fault_of(task).is_some()
        && let Some(fault) = FAULTS.get_ptr_mut(0)
    {
        // SAFETY: a live per-CPU element.
        unsafe { (*fault).marks |= FAULT_MOVES };
    }
}

/// `task` leaves its fault. False when it was lost on the way.
#[inline(always)]
pub fn end(task: Task) -> bool {
    let Some(fault) = FAULTS.get_ptr_mut(0) else {
        return false;
    };
    // SAFETY: a live per-CPU element.
    let fault = unsafe { &mut *fault };
    let here = is_of(fault, task);
    if here {
        fault.task = 0;
    }
    // Switched out right here, it left an entry as well.
    unpark(task).is_some() || here
}

/// `task` is switched out: if it is in a fault, the fault waits for it.
#[inline(always)]
pub fn park(task: Task) {
    if !enabled!(first_touch) {
        return;
    }
    let Some(fault) = FAULTS.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: a live per-CPU element, and switches run with interrupts off.
    let fault = unsafe { &mut *fault };
    if fault.task != task.address() {
        return;
    }
    if PARKED_FAULTS.insert(task.tid(), *fault, 0).is_ok() {
        change_parked(1);
    } else {
        count(Counter::LostParked, 1);
    }
    fault.task = 0;
}

/// Takes the fault that waits for `task`.
#[inline(always)]
fn unpark(task: Task) -> Option<Fault> {
    if *PARKED.get(0)? == 0 {
        return None;
    }
    // SAFETY: only the thread itself takes its entry, and only its own switch writes it.
    let fault = *unsafe { PARKED_FAULTS.get(task.tid()) }?;
    if PARKED_FAULTS.remove(task.tid()).is_ok() {
        change_parked(u64::MAX);
    }
    (fault.task == task.address()).then_some(fault)
}

#[inline(always)]
fn change_parked(by: u64) {
    if let Some(parked) = PARKED.get_ptr_mut(0) {
        // SAFETY: a live array element.
        unsafe { totals::add(parked, by) };
    }
}

/// Has the task not been switched out since the fault began?
#[inline(always)]
fn is_of(fault: &Fault, task: Task) -> bool {
    fault.task == task.address() && fault.switches == task.switches()
}

/// Counts a page of a fault. Page tables and other kernel memory are told by their flags: only movable pages are mapped.
#[inline(always)]
pub fn tally<C: StackIdContext>(ctx: &C, copy: Copy, task: Task, gfp: u32, order: u32, node: u16) {
    if !enabled!(first_touch) || gfp & global!(gfp.movable) == 0 {
        return;
    }
    let Some(fault) = fault_of(task) else { return };
    if fault.marks & FAULT_MOVES != 0 {
        return;
    }
    let marks = fault.marks as u8 | thp(order);
    let cell = cell(fault.kind as u8, marks, node);
    let pages = 1 << (order & 31);
    let owner = totals::tally_in(copy, SlotIndex::FirstTouch, task, cell, 1, pages);
    if enabled!(mapping_runs) && owner.is_thread() {
        let run = runs::Touch {
            task,
            owner,
            cell,
            pages,
            fault,
        };
        run.count(ctx, copy, OpenIndex::Alloc);
    }
}

/// Why a user page that `task` got is remote, or missed the preferred node; it has been counted already.
#[inline(always)]
pub fn because(task: Task, why: RemoteCause, pages: u64) {
    if enabled!(mapping_runs)
        && enabled!(first_touch)
        && fault_of(task).is_some_and(|fault| fault.marks & FAULT_MOVES == 0)
    {
        runs::because(task, why, pages);
    }
}

/// `task` is about to fault at an address. Nothing tells when the fault ends, so it is never parked: it holds until the task is
/// switched out or faults again.
#[inline(always)]
pub fn faults_at(task: Task, address: u64) {
    if let Some(fault) = USER_FAULTS.get_ptr_mut(0) {
        // SAFETY: a live per-CPU element.
        unsafe {
            (*fault).task = task.address();
            (*fault).switches = task.switches();
            (*fault).address = address;
        }
    }
}

/// Where `task` faults, if it has not been switched out since. The mapping is not known: its members are 0.
#[inline(always)]
pub fn address_of(task: Task) -> Option<&'static Fault> {
    let fault = USER_FAULTS.get_ptr_mut(0)?;
    // SAFETY: a live per-CPU element.
    let fault = unsafe { &*fault };
    is_of(fault, task).then_some(fault)
}

/// The mark of a huge page, if it is one.
#[inline(always)]
pub fn thp(order: u32) -> u8 {
    if order >= global!(pmd_order) {
        TOUCH_THP
    } else {
        0
    }
}

/// The cell of a first touch.
#[inline(always)]
pub fn cell(kind: u8, marks: u8, node: u16) -> Cell {
    Cell::new(Stem::FirstTouch)
        .with_page_node(node)
        .with_class(kind)
        .with_mark(marks)
}
