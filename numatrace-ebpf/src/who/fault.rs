//! First touch: which allocations are user pages that a fault makes.
//!
//! `probes/page_fault.rs` notes the fault each CPU is in; the allocation program asks here. A task that is switched out in the middle of
//! a fault (it waits for a file, or is preempted) takes its fault along and finds it again wherever it goes on.

use aya_ebpf::{
    EbpfContext,
    macros::map,
    maps::{Array, HashMap},
};
use numatrace_common::{
    count_key::{TOUCH_COW, TouchKind},
    counters::Counter,
    cpu::CpuState,
    limits::PARKED_ENTRIES,
    slot::{FAULT_KIND, FAULT_KNOWN, FAULT_MARKS_SHIFT, FAULT_MOVES, Fault},
};

use crate::{
    atomic,
    counters::count,
    cpu,
    globals::{enabled, global},
    kernel::{task::Task, vma},
};

/// Faults of threads that were switched out in the middle of one, by thread id.
#[map]
static PARKED_FAULTS: HashMap<u32, Fault> = HashMap::with_max_entries(PARKED_ENTRIES, 0);

/// How many there are, added up modulo 2^64: while it is zero nobody looks for one.
#[map]
static PARKED: Array<u64> = Array::with_max_entries(1, 0);

/// `task` enters a fault at an address of a mapping. Nearly always it is the mapping of the fault before.
#[inline(always)]
pub fn begin(task: Task, vma: *const u8, address: u64, flags: u32) {
    let Some(cpu) = cpu::state() else {
        return;
    };
    let fault = &mut cpu.fault;
    if fault.alike == task.address() && vma::is_anonymous(vma, &fault.area) {
        fault.what &= FAULT_KNOWN | FAULT_KIND;
    } else {
        let (kind, marks) = vma::touch(vma, address, flags);
        fault.what = FAULT_KNOWN | kind as u64 | u64::from(marks) << FAULT_MARKS_SHIFT;
        fault.area = vma::area(vma);
        fault.in_run = 0;
        fault.alike = if vma::is_of_one_kind(vma, &fault.area) {
            task.address()
        } else {
            0
        };
    }
    fault.address = address;
    fault.task = task.address();
    fault.switches = task.switches();
}

/// Is `task` in a fault? Then it is this one from here on: another task's fault can take its place when this one is switched out, and then
/// this one's is parked.
#[inline(always)]
pub fn is_in(fault: &mut Fault, task: Task) -> bool {
    is_of(fault, task) || are_parked() && unpark(fault, task)
}

/// Has this CPU's fault be the one that `task` is in, if it is in one, so that [`known`] can tell until the next switch of tasks.
#[inline(always)]
pub fn settle(fault: &mut Fault, task: Task) {
    if enabled!(first_touch) && !is_in(fault, task) && fault.task == task.address() {
        fault.task = 0;
    }
}

/// What an allocation is made by, as [`what`]: of the task whose streaks this CPU's are.
#[inline(always)]
pub fn known(cpu: &CpuState, gfp: u32) -> u64 {
    if enabled!(first_touch) && gfp & global!(gfp.movable) != 0 && cpu.fault.task == cpu.streaking {
        cpu.fault.what
    } else {
        0
    }
}

/// The fault `task` is in, if it is in one.
#[inline(always)]
pub fn fault_of(task: Task) -> Option<&'static mut Fault> {
    let fault = &mut cpu::state()?.fault;
    is_in(fault, task).then_some(fault)
}

/// The fault `task` is in turns out to be a hinting fault.
#[inline(always)]
pub fn only_moves(task: Task) {
    if enabled!(first_touch)
        && let Some(fault) = fault_of(task)
    {
        fault.what |= FAULT_MOVES;
    }
}

/// The fault `task` is in copies a page.
#[inline(always)]
pub fn copies(task: Task) {
    if let Some(fault) = fault_of(task) {
        fault.what |= u64::from(TOUCH_COW) << FAULT_MARKS_SHIFT;
    }
}

/// `task` leaves its fault. False when it was lost on the way.
#[inline(always)]
pub fn end(task: Task) -> bool {
    let Some(cpu) = cpu::state() else {
        return false;
    };
    let here = is_of(&cpu.fault, task);
    // Switched out right here, it left an entry as well.
    let parked = are_parked() && unpark(&mut cpu.fault, task);
    if here || parked {
        cpu.fault.task = 0;
    }
    here || parked
}

/// `task` is switched out: if it is in a fault, the fault waits for it. Switches run with interrupts off: nobody else writes the fault meanwhile.
#[inline(always)]
pub fn park(fault: &mut Fault, task: Task) {
    if !enabled!(first_touch) {
        return;
    }
    if fault.task != task.address() {
        return;
    }
    if fault.what & FAULT_KNOWN == 0 {
        // Only an address: it holds until now.
    } else if PARKED_FAULTS.insert(task.tid(), *fault, 0).is_ok() {
        change_parked(1);
    } else {
        count(Counter::LostParked, 1);
    }
    fault.task = 0;
}

/// Does any fault wait for its task?
#[inline(always)]
fn are_parked() -> bool {
    PARKED.get(0).is_some_and(|parked| *parked != 0)
}

/// Takes the fault that waits for `task`, if one does, as this CPU's. Not inlined: it is seldom and copies much.
#[inline(never)]
fn unpark(fault: &mut Fault, task: Task) -> bool {
    // SAFETY: only the thread itself takes its entry, and only its own switch writes it.
    let Some(parked) = (unsafe { PARKED_FAULTS.get(task.tid()) }) else {
        return false;
    };
    let ours = parked.task == task.address();
    if ours {
        *fault = *parked;
        fault.switches = task.switches();
        fault.in_run = 0;
    }
    if PARKED_FAULTS.remove(task.tid()).is_ok() {
        change_parked(u64::MAX);
    }
    ours
}

#[inline(always)]
fn change_parked(by: u64) {
    if let Some(parked) = PARKED.get_ptr_mut(0) {
        // SAFETY: a live array element.
        unsafe { atomic::add(parked, by) };
    }
}

/// Has the task not been switched out since the fault began?
#[inline(always)]
pub fn is_of(fault: &Fault, task: Task) -> bool {
    fault.task == task.address() && fault.switches == task.switches()
}

/// What an allocation of `task` is made by: [`Fault::what`], 0 when it is no user page of a fault. Page tables and other kernel memory are
/// told by their flags: only movable pages are mapped.
#[inline(always)]
pub fn what(fault: &mut Fault, task: Task, gfp: u32) -> u64 {
    if enabled!(first_touch) && gfp & global!(gfp.movable) != 0 && is_in(fault, task) {
        fault.what
    } else {
        0
    }
}

/// The same where faults are not known: the task is in an exception from user mode. What may not sleep can be an interrupt's; a fault's pages
/// always may.
#[inline(always)]
pub fn in_exception(task: Task, gfp: u32) -> u64 {
    let sleeps = global!(gfp.movable) | global!(gfp.direct_reclaim);
    if enabled!(first_touch) && gfp & sleeps == sleeps && task.in_user_exception() {
        FAULT_KNOWN | TouchKind::Anon as u64
    } else {
        0
    }
}

/// The current task is about to fault at an address. Nothing tells when the fault ends, so it is never parked: it holds until the task is
/// switched out or faults again. The mapping is not known: its members are 0.
#[inline(always)]
pub fn faults_at<C: EbpfContext>(ctx: &C, address: u64) {
    let Some(cpu) = cpu::state() else {
        return;
    };
    // It has been asked since it was switched in, and nothing of this has changed.
    if cpu.fault.task == 0 || cpu.fault.task != cpu.streaking || !cpu::is_held(cpu, ctx) {
        let task = Task::current();
        cpu.fault.task = task.address();
        cpu.fault.switches = task.switches();
        cpu.fault.in_run = 0;
    }
    cpu.fault.address = address;
}
