//! Runs by mapping: first touches and hinting faults coalesced per CPU, a record when something of a run changes.
//!
//! Beside the totals, which are exact whatever happens here: a lost run loses detail, never a number. The hot path is comparisons and
//! additions on one line of memory; a clock, a stack and the ring are touched once per run.

use aya_ebpf::{
    bindings::{BPF_F_USER_STACK, BPF_RB_NO_WAKEUP},
    helpers::generated::bpf_ktime_get_boot_ns,
    macros::map,
    maps::{PerCpuArray, StackTrace},
    programs::tracing::StackIdContext,
};
use numatrace_common::{
    control::{NO_RUNS, NO_STACKS},
    count_key::{CountKey, RemoteCause},
    counters::Counter,
    event::mapping_run::{Area, OpenTouch, OpenUse, TouchRun, UseRun},
    globals::WHILE_CHEAP,
    limits::STACK_ENTRIES,
    slot::Fault,
};

use crate::{
    control,
    count::twin::Copy,
    counters::count,
    cpu,
    emit::header,
    globals::{enabled, global},
    kernel::{task::Task, vma::VM_GROWSDOWN},
    maps::EVENTS,
    who::owner::Owner,
};

/// Runs of first touches from the hugetlb pool under way; the others are in the CPU's state.
#[map]
static OPEN_TOUCH: PerCpuArray<OpenTouch> = PerCpuArray::with_max_entries(1, 0);

/// Runs of hinting faults under way.
#[map]
static OPEN_USE: PerCpuArray<OpenUse> = PerCpuArray::with_max_entries(1, 0);

/// Stacks, by the number that records carry.
#[map]
pub static STACKS: StackTrace = StackTrace::with_max_entries(STACK_ENTRIES, 0);

/// Bytes of a base page, as on x86.
const PAGE: u64 = 4096;

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
        if is_reduced(NO_RUNS) {
            return false;
        }
        if open.task == self.task.address()
            && open.run.start_ns == self.owner.start_ns
            && open.run.count_key == self.count_key
            && open.until_stack > 0
            && is_same(&open.run.area, &self.fault.area)
            && (self.fault.area.end != 0 || is_near(open, self.fault.address))
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
        if enabled!(stack_every) && is_reduced(NO_STACKS) {
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
        let bytes = self.pages * PAGE;
        run.low = self.fault.address & !(bytes - 1);
        run.high = run.low + bytes;
        run.began_ns = now();
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
        if is_reduced(NO_RUNS) {
            return;
        }
        let Some(mut entry) = EVENTS.reserve::<TouchRun>(0) else {
            count(Counter::LostTouchRun, 1);
            return;
        };
        // SAFETY: the reservation is as large as the record, and every field is written before it is submitted.
        let record = unsafe { &mut *entry.as_mut_ptr() };
        record.header = header::<TouchRun>();
        self.fill(record);
        record.stack = -1;
        entry.submit(u64::from(BPF_RB_NO_WAKEUP));
        count(Counter::Records, 1);
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
        || !is_mapped && !is_near(open, fault.address)
    {
        return false;
    }
    extend(open, fault.address, pages);
    true
}

#[inline(always)]
fn extend(open: &mut OpenTouch, address: u64, pages: u64) {
    let bytes = pages * PAGE;
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
    let Some(mut entry) = EVENTS.reserve::<TouchRun>(0) else {
        count(Counter::LostTouchRun, 1);
        return;
    };
    let record = entry.as_mut_ptr();
    // SAFETY: the reservation is as large as the record, which is written whole.
    unsafe {
        *record = open.run;
        (*record).header = header::<TouchRun>();
    }
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
    count(Counter::Records, 1);
}

/// One hinting fault.
pub struct Use {
    pub task: Task,
    pub owner: Owner,
    pub count_key: CountKey,
    pub address: u64,
    pub area: Area,
}

impl Use {
    /// Adds it to the run it belongs to, or begins one.
    #[inline(always)]
    pub fn count(&self, copy: Copy) {
        if is_reduced(NO_RUNS) {
            return;
        }
        let count_key = self.count_key.with_task_node(cpu::node() as u16);
        let low = self.address & !(PAGE - 1);
        if let Copy::Second = copy {
            self.write_alone(count_key, low);
            return;
        }
        let Some(open) = OPEN_USE.get_ptr_mut(0) else {
            return;
        };
        // SAFETY: a live per-CPU element; only this program begins and ends runs in it, and it never nests on one CPU.
        let open = unsafe { &mut *open };
        if open.task == self.task.address()
            && open.run.start_ns == self.owner.start_ns
            && open.run.count_key == count_key
            && is_same(&open.run.area, &self.area)
        {
            open.run.faults += 1;
            if low < open.run.low {
                open.run.low = low;
            }
            if low + PAGE > open.run.high {
                open.run.high = low + PAGE;
            }
            return;
        }
        close_use(open);
        self.fill(&mut open.run, count_key, low);
        open.task = self.task.address();
    }

    #[inline(always)]
    fn fill(&self, run: &mut UseRun, count_key: CountKey, low: u64) {
        run.began_ns = now();
        run.start_ns = self.owner.start_ns;
        run.tid = self.owner.tid;
        run.tgid = self.owner.tgid;
        run.count_key = count_key;
        run.low = low;
        run.high = low + PAGE;
        run.faults = 1;
        run.migrated = 0;
        run.area = self.area;
    }

    /// A run of one, past the open one.
    #[inline(always)]
    fn write_alone(&self, count_key: CountKey, low: u64) {
        let Some(mut entry) = EVENTS.reserve::<UseRun>(0) else {
            count(Counter::LostUseRun, 1);
            return;
        };
        // SAFETY: the reservation is as large as the record, and every field is written before it is submitted.
        let record = unsafe { &mut *entry.as_mut_ptr() };
        record.header = header::<UseRun>();
        self.fill(record, count_key, low);
        entry.submit(u64::from(BPF_RB_NO_WAKEUP));
        count(Counter::Records, 1);
    }
}

/// Pages that the hinting fault `task` is in has moved: they belong to its run, as long as that is open.
#[inline(always)]
pub fn migrated(task: Task, pages: u64) {
    if let Some(open) = OPEN_USE.get_ptr_mut(0) {
        // SAFETY: a live per-CPU element.
        let open = unsafe { &mut *open };
        if open.task == task.address() {
            open.run.migrated += pages;
        }
    }
}

/// Writes the run that ends here, if there is one.
#[inline(never)]
fn close_use(open: &mut OpenUse) {
    if open.task == 0 {
        return;
    }
    open.task = 0;
    let Some(mut entry) = EVENTS.reserve::<UseRun>(0) else {
        count(Counter::LostUseRun, 1);
        return;
    };
    let record = entry.as_mut_ptr();
    // SAFETY: the reservation is as large as the record, which is written whole.
    unsafe {
        *record = open.run;
        (*record).header = header::<UseRun>();
    }
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
    count(Counter::Records, 1);
}

/// Has userspace switched a part of the details off? Asked only in sessions that have a limit for their cost.
#[inline(always)]
pub fn is_reduced(part: u64) -> bool {
    global!(mapping_runs) == WHILE_CHEAP && control::is_reduced(part)
}

/// Is it still the same mapping? A stack grows downwards, everything else keeps its start.
#[inline(always)]
fn is_same(a: &Area, b: &Area) -> bool {
    let anchored = if a.flags & VM_GROWSDOWN != 0 {
        a.end == b.end
    } else {
        a.start == b.start
    };
    anchored && a.ino == b.ino && a.flags == b.flags
}

/// Does an address lie close to a run? Where mappings are not known, a jump may lead into another one.
#[inline(always)]
fn is_near(open: &OpenTouch, address: u64) -> bool {
    /// Bytes: allocators leave gaps of some pages.
    const NEAR: u64 = 16 * PAGE;
    address + NEAR >= open.run.low && address <= open.run.high + NEAR
}

#[inline(always)]
fn now() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_ktime_get_boot_ns() }
}
