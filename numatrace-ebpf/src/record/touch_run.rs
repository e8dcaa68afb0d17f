//! Runs of first touches: coalesced per CPU, a record when something of a run changes.
//!
//! The hot path is comparisons and additions on one line of memory; a clock, a stack and the ring are touched once per run.

use aya_ebpf::{
    bindings::BPF_F_USER_STACK, macros::map, maps::PerCpuArray, programs::tracing::StackIdContext,
};
use numatrace_common::{
    control::{NO_RUNS, NO_STACKS},
    count_key::{CountKey, RemoteCause},
    event::mapping_run::{OpenTouch, TouchRun},
    globals::WHILE_CHEAP,
    slot::Fault,
};

use super::{
    address::is_near,
    emit::{emit_with, header},
};
use crate::{
    clock, control,
    globals::{enabled, global},
    kernel::{page::bytes, task::Task, vma},
    maps::STACKS,
    who::owner::Owner,
};

/// Runs of first touches from the hugetlb pool under way; the others are in the CPU's state.
#[map]
static OPEN_TOUCH: PerCpuArray<OpenTouch> = PerCpuArray::with_max_entries(1, 0);

/// One first touch.
pub struct Touch<'a> {
    pub task: Task,
    pub owner: Owner,
    /// With the node of this CPU, without an epoch.
    pub count_key: CountKey,
    pub pages: u64,
    pub fault: &'a Fault,
}

/// The open run of the hugetlb pool.
#[inline(always)]
pub fn of_hugetlb() -> Option<&'static mut OpenTouch> {
    OPEN_TOUCH
        .get_ptr_mut(0)
        // SAFETY: a live per-CPU element; only one program writes it, and that never nests on one CPU.
        .map(|open| unsafe { &mut *open })
}

impl Touch<'_> {
    /// Adds it to the run it belongs to, or begins one. False when there are no runs.
    #[inline(always)]
    pub fn count<C: StackIdContext>(&self, ctx: &C, open: &mut OpenTouch) -> bool {
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

    /// Begins a run. Not inlined: it is seldom, and what it needs would be in the way of what is not.
    #[inline(never)]
    fn begin<C: StackIdContext>(&self, ctx: &C, open: &mut OpenTouch) {
        close_touch(open);
        self.fill(&mut open.run);
        open.until_stack = 1;
        open.run.stack = -1;
        if enabled!(stack_every) && control::is_reduced(NO_STACKS) {
            open.until_stack = u64::MAX;
        } else if enabled!(stack_every) {
            open.until_stack = u64::from(global!(stack_every));
            open.run.stack = ctx
                .get_stackid(&STACKS, u64::from(BPF_F_USER_STACK))
                .unwrap_or_else(i64::from);
        }
        open.task = self.task.address();
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
        run.sp = self.task.user_sp();
        run.area = self.fault.area;
        run.causes = [0; RemoteCause::ALL.len()];
    }

    /// Makes it a run of one, past the open one, which the first copy of the program may have been stopped in the middle of.
    #[inline(always)]
    pub fn count_alone(&self) {
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

/// Adds a page of `fault`'s to the open run without looking what run that is: it was looked at for a fault before, and neither has changed since.
/// False when somebody must look. `is_mapped`: mappings are known, so it is in the same one.
#[inline(always)]
pub fn goes_on(
    open: &mut OpenTouch,
    fault: &Fault,
    touch: CountKey,
    pages: u64,
    is_mapped: bool,
) -> bool {
    if global!(mapping_runs) == WHILE_CHEAP
        || fault.in_run == 0
        || open.run.count_key != touch.with_epoch(0)
        || open.until_stack == 0
        || !is_mapped && !is_near(open.run.low, open.run.high, fault.address)
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

/// Why pages of the fault `task` is in are not where its CPU would have them: they belong to its run, as long as that is open.
#[inline(always)]
pub fn because(open: &mut OpenTouch, task: Task, why: RemoteCause, pages: u64) {
    if open.task == task.address() {
        // The mask keeps the index within the array.
        open.run.causes[why as usize & 7] += pages as u32;
    }
}

/// Writes the run that ends here, if there is one.
#[inline(never)]
fn close_touch(open: &mut OpenTouch) {
    if open.task == 0 {
        return;
    }
    open.task = 0;
    emit_with(|record: &mut TouchRun| {
        *record = open.run;
        record.header = header::<TouchRun>();
    });
}
