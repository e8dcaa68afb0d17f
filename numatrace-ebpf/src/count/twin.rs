//! Twins: a second copy of a program for the events that the kernel skips in the first.
//!
//! The kernel does not run a tracing program on a CPU where the same program is under way (kernel/bpf/trampoline.c,
//! `__bpf_prog_enter_recur`; kernel/trace/bpf_trace.c, `__bpf_trace_run`). On a preemptible kernel "under way" can last: a task
//! that is preempted in the middle of a program makes the kernel skip it for everybody else on that CPU until it runs again.
//! So hot programs are attached twice there. The first copy does the work and leaves a mark, the second takes the mark away; where it finds
//! none, the first was skipped, and it does the work itself, without the slots, which the skipped copy may have left half-written.
//!
//! A mark is the task's, and a task can be switched out between the two: then the switch parks its mark until it is back. In
//! interrupts nothing comes between.

use aya_ebpf::{macros::map, maps::HashMap};
use numatrace_common::{counters::Counter, cpu::Marks, limits::PARKED_ENTRIES};

use crate::{counters::count, cpu, globals::enabled, kernel::task::Task};

/// Which copy of a program counts.
#[derive(Clone, Copy)]
pub enum Copy {
    /// The first, into its slot.
    First,
    /// The second, past the slots: the first may have been stopped in the middle of one.
    Second,
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
}

/// Marks of threads that were switched out between the copies, by thread id.
#[map]
static PARKED_MARKS: HashMap<u32, u32> = HashMap::with_max_entries(PARKED_ENTRIES, 0);

/// The first copy has done its work.
#[inline(always)]
pub fn ran(twin: Twin, task: Task, irq: bool) {
    if enabled!(twins)
        && let Some(cpu) = cpu::state()
    {
        leave(&mut cpu.marks, twin, task, irq);
    }
}

/// Leaves the mark of that, each word whole.
#[inline(always)]
pub fn leave(marks: &mut Marks, twin: Twin, task: Task, irq: bool) {
    if irq {
        marks.irq = twin as u64;
    } else {
        marks.task = mark(twin, task);
    }
}

/// Is it for the second copy to do the work?
#[inline(always)]
pub fn skipped(twin: Twin, task: Task, irq: bool) -> bool {
    cpu::state().is_some_and(|cpu| is_unmarked(&mut cpu.marks, twin, task, irq))
}

/// Takes the mark away, or is it for the second copy to do the work?
#[inline(always)]
pub fn is_unmarked(marks: &mut Marks, twin: Twin, task: Task, irq: bool) -> bool {
    if irq {
        if marks.irq == twin as u64 {
            marks.irq = 0;
            return false;
        }
    } else if marks.task == mark(twin, task) {
        marks.task = 0;
        return false;
    } else if parked(twin, task) {
        return false;
    }
    count(Counter::SecondCopy, 1);
    true
}

/// `task` is switched out: if it is between the copies, its mark goes with it.
#[inline(always)]
pub fn park(marks: &mut Marks, task: Task) {
    if !enabled!(twins) || marks.task == 0 || (marks.task >> 32) as u32 != task.tid() {
        return;
    }
    let _ = PARKED_MARKS.insert(task.tid(), marks.task as u32, 0);
    marks.task = 0;
}

/// The thread ends.
#[inline(always)]
pub fn forget(task: Task) {
    if enabled!(twins) {
        let _ = PARKED_MARKS.remove(task.tid());
    }
}

/// Takes the mark that was parked for a thread, if it is this one.
#[inline(always)]
fn parked(twin: Twin, task: Task) -> bool {
    // SAFETY: only the thread itself takes its mark, and only its own switch writes it.
    let found = unsafe { PARKED_MARKS.get(task.tid()) }.copied();
    let ours = found == Some(twin as u32);
    if ours {
        let _ = PARKED_MARKS.remove(task.tid());
    }
    ours
}

#[inline(always)]
fn mark(twin: Twin, task: Task) -> u64 {
    u64::from(task.tid()) << 32 | twin as u64
}
