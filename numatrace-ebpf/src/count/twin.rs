//! Twins: a backup copy of a program, for the events that the kernel skips in the primary copy.
//!
//! The kernel does not run a tracing program on a CPU where the same program is under way
//! (kernel/bpf/trampoline.c, `__bpf_prog_enter_recur`; kernel/trace/bpf_trace.c,
//! `__bpf_trace_run`). On a preemptible kernel "under way" can last: a task that is preempted in
//! the middle of a program makes the kernel skip that program for everybody else on that CPU until
//! the task runs again. So hot programs are attached twice there. The primary copy does the work
//! and leaves a mark; the backup copy takes the mark away. If there is none, the primary was
//! skipped, and the backup does the work itself, without the slots, which the skipped copy may have
//! left half-written.
//!
//! A mark belongs to a task. A task that is switched out between its two copies has its mark parked
//! until it is back. In an interrupt only a further interrupt comes between: its marks are counted,
//! and it takes away as many as it has left.

use aya_ebpf::{macros::map, maps::HashMap};
use numatrace_common::{counters::Counter, cpu::Marks, limits::PARKED_ENTRIES};

use crate::{counters, cpu, globals::enabled, kernel::task::Task};

/// Role of the copy of a program that counts an event.
#[repr(u32)]
#[derive(Clone, Copy)]
pub enum Role {
    /// The primary copy, into its slot.
    Primary = 0,
    /// The backup copy, past the slots: the primary may have been stopped in the middle of one.
    Backup = 1,
}

/// Programs that have a twin and leave marks; the others may run twice without harm.
#[repr(u32)]
#[derive(Clone, Copy)]
pub enum Twin {
    /// `page_alloc_exact`, `page_alloc_fallback`
    PageAlloc = 1,
    /// `alloc_policy`
    AllocPolicy = 2,
    /// `alloc_bulk`
    AllocBulk = 3,
    /// `page_fault_fallback`
    PageFault = 4,
    /// `page_fault_hugetlb`
    HugetlbFault = 5,
    /// `hint_fault`
    HintFault = 6,
    /// `hint_migrated`
    HintMigrated = 7,
    /// `page_migration_start`
    MigrationStart = 8,
    /// `page_migration`
    Migration = 9,
    /// `page_migration_end`, `page_migration_batch`
    MigrationEnd = 10,
    /// `alloc_bulk_enter`
    AllocBulkEnter = 11,
}

/// Marks of threads that were switched out between the copies, by thread id.
#[map]
static PARKED_MARKS: HashMap<u32, u32> = HashMap::with_max_entries(PARKED_ENTRIES, 0);

/// Leaves the mark of a primary copy that has done its work, if programs of functions have twins.
#[inline(always)]
pub fn leave_mark(twin: Twin, task: Task, irq: bool) {
    if enabled!(twins)
        && let Some(cpu) = cpu::state()
    {
        leave_mark_in(&mut cpu.marks, twin, task, irq);
    }
}

/// Leaves the mark of a primary copy in a CPU's marks, each word whole.
#[inline(always)]
pub fn leave_mark_in(marks: &mut Marks, twin: Twin, task: Task, irq: bool) {
    if irq {
        marks.irq += one_in_irq(twin);
    } else {
        marks.task = mark(twin, task);
    }
}

/// Takes the mark of the primary copy away. Returns whether there was none: then the kernel skipped
/// the primary, and the backup must do the work.
#[inline(always)]
pub fn was_skipped(twin: Twin, task: Task, irq: bool) -> bool {
    cpu::state().is_some_and(|cpu| was_skipped_in(&mut cpu.marks, twin, task, irq))
}

/// Takes the mark of the primary copy out of a CPU's marks. Returns whether there was none.
#[inline(always)]
pub fn was_skipped_in(marks: &mut Marks, twin: Twin, task: Task, irq: bool) -> bool {
    if irq {
        if marks.irq & (IRQ_MARKS * one_in_irq(twin)) != 0 {
            marks.irq -= one_in_irq(twin);
            return false;
        }
    } else if marks.task == mark(twin, task) {
        marks.task = 0;
        return false;
    } else if unpark(twin, task) {
        return false;
    }
    counters::count(Counter::SecondCopy, 1);
    true
}

/// Parks the mark of `task`, which is switched out, if it is between the copies.
#[inline(always)]
pub fn park(marks: &mut Marks, task: Task) {
    if !enabled!(twins) || marks.task == 0 || (marks.task >> 32) as u32 != task.tid() {
        return;
    }
    if PARKED_MARKS
        .insert(task.tid(), marks.task as u32, 0)
        .is_err()
    {
        // The backup copy will count the event a second time.
        counters::count(Counter::LostMarks, 1);
    }
    marks.task = 0;
}

/// Removes the parked mark of a thread that ends.
#[inline(always)]
pub fn forget(task: Task) {
    if enabled!(twins) {
        let _ = PARKED_MARKS.remove(task.tid());
    }
}

/// Takes the parked mark of a thread, if it is this program's. Returns whether it was.
#[inline(always)]
fn unpark(twin: Twin, task: Task) -> bool {
    // SAFETY: only the thread itself takes its mark, and only its own switch writes it.
    let found = unsafe { PARKED_MARKS.get(task.tid()) }.copied();
    let ours = found == Some(twin as u32);
    if ours {
        let _ = PARKED_MARKS.remove(task.tid());
    }
    ours
}

/// Most marks of one program in [`Marks::irq`]: more than interrupts can nest.
const IRQ_MARKS: u64 = 15;

/// Returns one mark in [`Marks::irq`], which has four bits for each program.
#[inline(always)]
const fn one_in_irq(twin: Twin) -> u64 {
    1 << (twin as u64 * 4)
}

#[inline(always)]
fn mark(twin: Twin, task: Task) -> u64 {
    u64::from(task.tid()) << 32 | twin as u64
}
