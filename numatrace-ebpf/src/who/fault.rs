//! The page fault that a task is in, from which follows which allocations are first touches.
//!
//! `probes/page_fault.rs` notes the fault of each CPU, and the allocation program asks here. A task
//! that is switched out in the middle of a fault (it waits for a file, or is preempted) leaves its
//! fault parked and finds it again on whichever CPU it continues.

use aya_ebpf::{
    EbpfContext,
    macros::map,
    maps::{Array, HashMap},
};
use numatrace_common::{
    count_key::{CountKey, TOUCH_COW, TouchKind},
    counters::Counter,
    cpu::CpuState,
    limits::PARKED_ENTRIES,
    slot::{FAULT_HINTING, FAULT_KIND, FAULT_KNOWN, FAULT_MARKS_SHIFT, FAULT_OF_OTHER, Fault},
};

use crate::{
    atomic, counters, cpu,
    globals::{enabled, global},
    kernel::{mm, task::Task, vma},
    who::owner::Owner,
};

/// Faults of threads that were switched out in the middle of one, by thread id.
#[map]
static PARKED_FAULTS: HashMap<u32, Fault> = HashMap::with_max_entries(PARKED_ENTRIES, 0);

/// Number of parked faults, modulo 2^64: while it is zero, no program looks for one.
#[map]
static PARKED: Array<u64> = Array::with_max_entries(1, 0);

/// Notes that `task` enters a fault at an address of a mapping: nearly always the mapping of its
/// last fault.
///
/// On a preemptible kernel the task can be switched out in the middle, and another task's fault be
/// noted in the same place: then the note is made anew.
#[inline(always)]
pub fn begin(task: Task, vma: *const u8, address: u64, flags: u32) {
    let switches = task.switches();
    note(task, vma, address, flags, switches);
    if enabled!(twins) {
        let switches_now = task.switches();
        if switches_now != switches {
            note(task, vma, address, flags, switches_now);
        }
    }
}

#[inline(always)]
fn note(task: Task, vma: *const u8, address: u64, flags: u32, switches: u64) {
    let Some(cpu) = cpu::state() else {
        return;
    };
    let fault = &mut cpu.fault;
    let is_remote = flags & vma::FAULT_FLAG_REMOTE != 0;
    if !is_remote && fault.kind_holds_for == task.address() && vma::is_anonymous(vma, &fault.area) {
        fault.page_kind &= FAULT_KNOWN | FAULT_KIND;
    } else {
        let (kind, marks) = vma::touch_kind(vma, address, flags);
        fault.page_kind = FAULT_KNOWN | kind as u64 | u64::from(marks) << FAULT_MARKS_SHIFT;
        fault.area = vma::area(vma);
        fault.in_run = 0;
        fault.kind_holds_for = if vma::is_of_one_kind(vma, &fault.area) {
            task.address()
        } else {
            0
        };
        if is_remote {
            note_owner(fault, task, vma);
        }
    }
    fault.address = address;
    fault.page = 0;
    fault.task = task.address();
    fault.switches = switches;
}

/// Notes whose memory a fault is in that the kernel takes for a task which need not be one of the
/// process. Where the kernel keeps no owners, the task is taken for one of it.
///
/// Not inlined: it is seldom.
#[inline(never)]
fn note_owner(fault: &mut Fault, task: Task, vma: *const u8) -> u32 {
    // The address of a mapping means the same in one process only.
    fault.kind_holds_for = 0;
    let Some(owner) = owner_of_other(task, vma) else {
        return 0;
    };
    fault.page_kind |= FAULT_OF_OTHER;
    fault.area.toucher = task.tgid();
    fault.owner_start_ns = owner.start_ns;
    fault.owner_tid = owner.tid;
    fault.owner_tgid = owner.tgid;
    0
}

/// Returns whom the memory of a mapping is charged to, `None` when `task` is of the process that
/// has it, or the kernel keeps no owners.
#[inline(always)]
pub fn owner_of_other(task: Task, vma: *const u8) -> Option<Owner> {
    if !enabled!(offsets.mm_owner) {
        return None;
    }
    match mm::owner(vma) {
        Some(owner) if owner.tgid() == task.tgid() => None,
        Some(owner) => Some(Owner::of(owner)),
        None => Some(Owner::NOBODY),
    }
}

/// Returns whom the first touches of a fault are charged to that `task` is in.
#[inline(always)]
pub fn owner(fault: &Fault, task: Task) -> Owner {
    if fault.page_kind & FAULT_OF_OTHER == 0 {
        return Owner::of(task);
    }
    owner_noted(fault)
}

/// Returns the owner that a fault with [`FAULT_OF_OTHER`] has noted.
#[inline(always)]
pub fn owner_noted(fault: &Fault) -> Owner {
    Owner {
        start_ns: fault.owner_start_ns,
        tid: fault.owner_tid,
        tgid: fault.owner_tgid,
    }
}

/// Notes that the current task is about to fault at an address of an unknown mapping, whose members
/// stay 0.
///
/// No hook sees the end of such a fault, so it is never parked: it holds until the task is switched
/// out or faults again.
#[inline(always)]
pub fn begin_at_address<C: EbpfContext>(ctx: &C, address: u64) {
    let Some(cpu) = cpu::state() else {
        return;
    };
    // Nothing has changed for a task that was looked up since it was switched in.
    if cpu.fault.task == 0 || cpu.fault.task != cpu.cached_task || !cpu::is_task_cached(cpu, ctx) {
        let task = Task::current();
        cpu.fault.task = task.address();
        cpu.fault.switches = task.switches();
        cpu.fault.in_run = 0;
    }
    cpu.fault.address = address;
}

/// Marks the fault that `task` is in as a hinting fault.
#[inline(always)]
pub fn mark_hinting(task: Task) {
    if enabled!(first_touch)
        && let Some(fault) = fault_of(task)
    {
        fault.page_kind |= FAULT_HINTING;
    }
}

/// Marks the fault that `task` is in as one that copies a page.
#[inline(always)]
pub fn mark_copying(task: Task) {
    if let Some(fault) = fault_of(task) {
        fault.page_kind |= u64::from(TOUCH_COW) << FAULT_MARKS_SHIFT;
    }
}

/// A fault that has ended, as far as its first touch needs it.
pub struct Ended {
    /// [`Fault::page_kind`]
    pub page_kind: u64,
    /// [`Fault::page`]
    pub page: u64,
    /// [`Fault::touch_key`]
    pub touch_key: CountKey,
    /// [`Fault::cause`]
    pub cause: u64,
}

/// Ends the fault of `task`, and returns it; `None` when the fault was lost on the way.
#[inline(always)]
pub fn end(task: Task) -> Option<Ended> {
    let fault = &mut cpu::state()?.fault;
    let switches = task.switches();
    let here = is_current(fault, task);
    // A task that was switched out right here has left an entry as well.
    let parked = are_any_parked() && unpark(fault, task);
    if !here && !parked {
        return None;
    }
    let mut ended = Ended {
        page_kind: fault.page_kind,
        page: fault.page,
        touch_key: fault.touch_key,
        cause: fault.cause,
    };
    fault.task = 0;
    if enabled!(twins) && task.switches() != switches {
        // The task was switched out in between: these words can be of another task's fault.
        ended.page = 0;
    }
    Some(ended)
}

/// Returns the fault that `task` is in, if it is in one.
#[inline(always)]
pub fn fault_of(task: Task) -> Option<&'static mut Fault> {
    let fault = &mut cpu::state()?.fault;
    is_in(fault, task).then_some(fault)
}

/// Returns whether `task` is in a fault, which then is this CPU's from here on.
///
/// When a task is switched out in a fault, the fault is parked, and another task's fault can take
/// its place on the CPU.
#[inline(always)]
pub fn is_in(fault: &mut Fault, task: Task) -> bool {
    is_current(fault, task) || are_any_parked() && unpark(fault, task)
}

/// Returns whether this CPU's fault is of `task`, which has not been switched out since it began.
#[inline(always)]
pub fn is_current(fault: &Fault, task: Task) -> bool {
    fault.task == task.address() && fault.switches == task.switches()
}

/// Makes the fault that `task` is in this CPU's fault, or clears a stale one of the task, so that
/// [`page_kind_of_cached_task`] is right until the next context switch.
#[inline(always)]
pub fn refresh(fault: &mut Fault, task: Task) {
    if enabled!(first_touch) && !is_in(fault, task) && fault.task == task.address() {
        fault.task = 0;
    }
}

/// Returns the [`Fault::page_kind`] of an allocation by `task`, 0 when it is no user page of a
/// fault.
///
/// Page tables and other kernel memory show in the flags: only movable pages are mapped. Movable
/// pages that reclaim allocates inside a fault are not of the fault; their flags differ from those
/// of its pages, so no streak has both.
#[inline(always)]
pub fn page_kind(fault: &mut Fault, task: Task, gfp: u32) -> u64 {
    if enabled!(first_touch)
        && gfp & global!(gfp.movable) != 0
        && is_in(fault, task)
        && !task.is_reclaiming()
    {
        fault.page_kind
    } else {
        0
    }
}

/// As [`page_kind`], of a page that compaction hands to `task`: the task counts as one that
/// reclaims until it has the page.
#[inline(always)]
pub fn page_kind_of_captured(fault: &mut Fault, task: Task, gfp: u32) -> u64 {
    if enabled!(first_touch) && gfp & global!(gfp.movable) != 0 && is_in(fault, task) {
        fault.page_kind
    } else {
        0
    }
}

/// Returns the [`Fault::page_kind`] of a movable page that this CPU's cached task allocates, 0 when
/// the task is in no fault.
#[inline(always)]
pub fn page_kind_of_cached_task(cpu: &CpuState) -> u64 {
    if enabled!(first_touch) && cpu.fault.task == cpu.cached_task {
        cpu.fault.page_kind
    } else {
        0
    }
}

/// Returns the [`Fault::page_kind`] of an allocation where no hook sees faults: the task is in an
/// exception from user mode.
///
/// An allocation that may not sleep can be an interrupt's; a fault's pages may always sleep.
#[inline(always)]
pub fn page_kind_in_exception(task: Task, gfp: u32) -> u64 {
    let sleeps = global!(gfp.movable) | global!(gfp.direct_reclaim);
    if enabled!(first_touch)
        && gfp & sleeps == sleeps
        && task.in_user_exception()
        && !task.is_reclaiming()
    {
        FAULT_KNOWN | TouchKind::Anon as u64
    } else {
        0
    }
}

/// Parks the fault of `task`, which is switched out, if it is in one. Switches run with interrupts
/// off, so no other program writes the fault meanwhile.
#[inline(always)]
pub fn park(fault: &mut Fault, task: Task) {
    if !enabled!(first_touch) {
        return;
    }
    if fault.task != task.address() {
        return;
    }
    if fault.page_kind & FAULT_KNOWN == 0 {
        // Only an address, which holds until now.
    } else if PARKED_FAULTS.insert(task.tid(), *fault, 0).is_ok() {
        change_parked(1);
    } else {
        counters::count(Counter::LostParked, 1);
    }
    fault.task = 0;
}

/// Removes the parked fault of a thread that ends: one whose end was not seen.
#[inline(always)]
pub fn forget(task: Task) {
    if enabled!(first_touch) && are_any_parked() && PARKED_FAULTS.remove(task.tid()).is_ok() {
        change_parked(u64::MAX);
    }
}

/// Returns whether any fault is parked.
#[inline(always)]
fn are_any_parked() -> bool {
    PARKED.get(0).is_some_and(|parked| *parked != 0)
}

/// Makes the parked fault of `task` this CPU's. Returns whether there was one.
///
/// Not inlined: it is seldom and copies much.
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
