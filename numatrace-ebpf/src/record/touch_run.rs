//! Runs of first touches: coalesced per CPU, a record when thread, mapping, kind or node changes.
//!
//! The hot path is comparisons and additions on one line of memory; a clock, a stack and the ring
//! are used once per run.

use aya_ebpf::{
    bindings::BPF_F_USER_STACK, macros::map, maps::PerCpuArray, programs::tracing::StackIdContext,
};
use numatrace_common::{
    control::{NO_RUNS, NO_STACKS},
    count_key::{CountKey, RemoteCause},
    counters::Counter,
    event::mapping_run::{OpenTouch, TouchRun},
    slot::Fault,
};

use super::{
    address::is_near,
    emit::{emit_with, header},
};
use crate::{
    clock, control,
    count::twin::Role,
    counters,
    globals::{enabled, global},
    kernel::{page::bytes, task::Task, vma},
    maps::STACKS,
    who::owner::Owner,
};

/// Open runs of first touches from the hugetlb pool, and by userfaultfd; the others are in the
/// CPU's state.
#[map]
static OPEN_TOUCH: PerCpuArray<OpenTouch> = PerCpuArray::with_max_entries(2, 0);

/// One first touch.
pub struct Touch<'a> {
    pub task: Task,
    pub owner: Owner,
    /// Key of the touch, with the node of this CPU and without an epoch.
    pub count_key: CountKey,
    pub pages: u64,
    pub fault: &'a Fault,
}

/// Returns the open run of the hugetlb pool.
#[inline(always)]
pub fn of_hugetlb() -> Option<&'static mut OpenTouch> {
    open_run(0)
}

/// Returns the open run of copies by userfaultfd.
#[inline(always)]
pub fn of_userfault() -> Option<&'static mut OpenTouch> {
    open_run(1)
}

#[inline(always)]
fn open_run(index: u32) -> Option<&'static mut OpenTouch> {
    OPEN_TOUCH
        .get_ptr_mut(index)
        // SAFETY: a live per-CPU element; only one program writes it, and it never nests on one
        // CPU.
        .map(|open| unsafe { &mut *open })
}

impl Touch<'_> {
    /// Puts the touch into a run: the primary copy into the open one, the backup copy into one of
    /// its own.
    #[inline(always)]
    pub fn add_as<C: StackIdContext>(&self, role: Role, ctx: &C, open: &mut OpenTouch) {
        match role {
            Role::Primary => {
                self.add(ctx, open);
            }
            Role::Backup => self.emit_alone(),
        }
    }

    /// Adds the touch to the open run, or begins a run if it belongs to no open one. Returns false
    /// in sessions that have given runs up.
    #[inline(always)]
    pub fn add<C: StackIdContext>(&self, ctx: &C, open: &mut OpenTouch) -> bool {
        if control::is_reduced(NO_RUNS) {
            return false;
        }
        if open.task == self.task.address()
            && open.run.start_ns == self.owner.start_ns
            && open.run.count_key == self.count_key
            && open.until_stack > 0
            && vma::is_same(&open.run.area, &self.fault.area)
            && (self.fault.area.end != 0
                || is_near(open.run.low, open.run.high, self.fault.address))
        {
            extend(open, self.fault.address, self.pages);
        } else {
            self.begin(ctx, open);
        }
        true
    }

    /// Begins a run.
    ///
    /// Not inlined: it is seldom, and its registers and stack would burden the frequent path.
    #[inline(never)]
    fn begin<C: StackIdContext>(&self, ctx: &C, open: &mut OpenTouch) {
        close(open);
        self.fill(&mut open.run);
        open.until_stack = 1;
        open.run.stack = -1;
        if enabled!(stack_every) && (control::is_reduced(NO_STACKS) || self.is_of_other()) {
            // A stack of a different process means nothing in the one that has the memory.
            open.until_stack = u64::MAX;
        } else if enabled!(stack_every) {
            open.until_stack = u64::from(global!(stack_every));
            open.run.stack = ctx
                .get_stackid(&STACKS, u64::from(BPF_F_USER_STACK))
                .unwrap_or_else(i64::from);
        }
        open.task = self.task.address();
    }

    /// Returns whether a different process touches the memory than has it.
    #[inline(always)]
    fn is_of_other(&self) -> bool {
        self.fault.area.toucher != 0
    }

    #[inline(always)]
    fn fill(&self, run: &mut TouchRun) {
        let bytes = bytes(self.pages);
        run.low = self.fault.address & !(bytes - 1);
        run.high = run.low + bytes;
        run.began_ns = clock::now();
        run.start_ns = self.owner.start_ns;
        run.tid = self.owner.tid;
        run.tgid = self.owner.tgid;
        run.count_key = self.count_key;
        run.pages = self.pages;
        run.sp = if self.is_of_other() {
            0
        } else {
            self.task.user_sp()
        };
        run.area = self.fault.area;
        run.causes = [0; RemoteCause::ALL.len()];
    }

    /// Writes the touch as a run of one, past the open run, which the primary copy of the program
    /// may have been stopped in the middle of.
    #[inline(always)]
    pub fn emit_alone(&self) {
        if control::is_reduced(NO_RUNS) {
            return;
        }
        emit_with(|record: &mut TouchRun| {
            record.header = header::<TouchRun>();
            self.fill(record);
            record.stack = -1;
        });
    }
}

/// Adds pages of a fault to the open run if the fault is known to be in it (`Fault::in_run`): a
/// page of the same fault was added before, and neither has changed since.
///
/// Returns false when the run must be looked up. `is_mapping_known` says whether the fault has a
/// mapping, which then is the run's.
#[inline(always)]
pub fn extend_known(
    open: &mut OpenTouch,
    fault: &Fault,
    touch_key: CountKey,
    pages: u64,
    is_mapping_known: bool,
) -> bool {
    if fault.in_run == 0
        || open.run.count_key != touch_key.with_epoch(0)
        || open.until_stack == 0
        || !is_mapping_known && !is_near(open.run.low, open.run.high, fault.address)
    {
        return false;
    }
    extend(open, fault.address, pages);
    true
}

#[inline(always)]
fn extend(open: &mut OpenTouch, address: u64, pages: u64) {
    let bytes = bytes(pages);
    let low = address & !(bytes - 1);
    open.run.pages += pages;
    if low < open.run.low {
        open.run.low = low;
    }
    if low + bytes > open.run.high {
        open.run.high = low + bytes;
    }
    if enabled!(stack_every) {
        open.until_stack = open.until_stack.saturating_sub(pages);
    }
}

/// Adds the cause for which pages of `task` are remote or missed the preferred node to the open
/// run, if it is the task's.
#[inline(always)]
pub fn add_cause(open: &mut OpenTouch, task: Task, cause: RemoteCause, pages: u64) {
    if open.task == task.address() {
        // The mask keeps the index within the array.
        open.run.causes[cause as usize & 7] += pages as u32;
    }
}

/// Takes pages of the current task off the open run that has them: they are no first touches after
/// all. `cause` is the number of the cause by which the run counted them.
#[inline(always)]
pub fn take_off(open: &mut OpenTouch, touch_key: CountKey, pages: u64, cause: u64) {
    let task = Task::current();
    if open.task != task.address()
        || open.run.count_key != touch_key.with_epoch(0)
        || open.run.pages < pages
    {
        counters::count(Counter::LateWithdrawals, 1);
        return;
    }
    open.run.pages -= pages;
    if cause != 0 {
        // The mask keeps the index within the array.
        let counted = &mut open.run.causes[cause as usize & 7];
        *counted = counted.saturating_sub(pages as u32);
    }
}

/// Writes the open run, if there is one.
#[inline(never)]
fn close(open: &mut OpenTouch) {
    let is_empty = open.task == 0 || open.run.pages == 0;
    open.task = 0;
    if is_empty {
        return;
    }
    emit_with(|record: &mut TouchRun| {
        *record = open.run;
        record.header = header::<TouchRun>();
    });
}
