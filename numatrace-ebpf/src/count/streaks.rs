//! Streaks: consecutive allocations of a task that have the same count key, each counted with a few
//! comparisons and one addition.
//!
//! The fast path never looks up the owner; a context switch invalidates the cached task. Some
//! virtual machines hide switches, so the kernel stack that the hook's arguments lie on must be the
//! same as well (`cpu::is_task_cached`).
//!
//! All words that are compared lie in the one element of `CPU_STATE`. An event that differs from
//! the previous one takes the slow path, which flushes the streak into the bins of the slots; so a
//! sweep sees each event in one place (`CpuState::counts`). Only `page_alloc` writes streaks, and
//! it never nests on one CPU.

use aya_ebpf::EbpfContext;
use numatrace_common::{
    control::SWITCHES,
    count_key::CountKey,
    cpu::{CpuState, Streak},
    slot::{Slot, SlotIndex},
};

use super::slot::{self, Holder};
use crate::{
    control, cpu,
    globals::{enabled, global},
    kernel::{page, task::Task},
};

/// [`Streak::inputs`] that no allocation has.
const NO_INPUTS: u64 = u64::MAX;

/// An allocation of a task, as far as one is distinguished from the next.
#[derive(Clone, Copy)]
pub struct Event {
    pub gfp: u32,
    pub order: u32,
    /// Node that the page lies on.
    pub node: u16,
    /// Place of the preferred zone in a zonelist, 0 when not known.
    pub zoneref: u64,
    /// [`Fault::page_kind`](numatrace_common::slot::Fault::page_kind) of the fault that allocates
    /// it, 0 for none.
    pub page_kind: u64,
}

impl Event {
    /// Returns an allocation without zone and fault.
    #[inline(always)]
    pub fn of(page: *const u8, gfp: u32, order: u32) -> Self {
        Self {
            gfp,
            order,
            node: page::node(page),
            zoneref: 0,
            page_kind: 0,
        }
    }

    /// Returns whether user space may map its page.
    #[inline(always)]
    pub fn is_user(&self) -> bool {
        self.gfp & global!(gfp.movable) != 0
    }

    /// Base pages.
    #[inline(always)]
    pub fn pages(&self) -> u64 {
        1 << (self.order & 31)
    }

    #[inline(always)]
    fn inputs(&self) -> u64 {
        u64::from(self.gfp) | u64::from(self.order) << 32
    }
}

/// Counts an event of the cached task in a streak, if it has the same inputs as the previous one.
///
/// Returns the key of the first touch that the event is too, or the empty key; `None` when the
/// event differs and is not counted.
#[inline(always)]
pub fn extend(streak: &mut Streak, here: u32, event: &Event) -> Option<CountKey> {
    if here != u32::from(event.node)
        || streak.inputs != event.inputs()
        || streak.zoneref != event.zoneref
        || streak.page_kind != event.page_kind
    {
        return None;
    }
    streak.count += 1;
    Some(streak.touch_key)
}

/// Gives the streaks and the slot, which has been entered, to a task, and counts the allocation
/// that waits there for its cause.
#[inline(never)]
pub fn assign(cpu: &mut CpuState, task: Task) {
    let epoch = control::epoch();
    if !slot::is_held_by(&cpu.slot, task, epoch) {
        let holder = Holder::of_task(task, epoch);
        if holder.needs_flush(&cpu.slot) {
            flush(&mut cpu.slot, &mut cpu.user);
            flush(&mut cpu.slot, &mut cpu.kernel);
            slot::flush(&mut cpu.slot);
        }
        holder.write_to(&mut cpu.slot);
    }
    slot::tally_pending(&mut cpu.slot);
}

/// Caches the task until the next context switch, so that its events need no lookup. Sessions that
/// must look at each event cache none.
#[inline(always)]
pub fn cache_task<C: EbpfContext>(cpu: &mut CpuState, ctx: &C, task: Task) {
    let looks_at_each = enabled!(drop_one_in) || enabled!(kernel_stack_every);
    if !looks_at_each && control::is_attached(SWITCHES) {
        cpu.address = &raw const *cpu as u64;
        cpu.stack = cpu::stack(cpu, ctx);
        cpu.cached_task = task.address();
    }
}

/// Makes the next event take the slow path: an allocation waits in the slot.
#[inline(always)]
pub fn uncache_task(cpu: &mut CpuState) {
    cpu.cached_task = 0;
}

/// Counts an event with new inputs for the slot's owner: in the open streak when its keys are the
/// same nevertheless, else in a new one.
#[inline(always)]
pub fn begin(cpu: &mut CpuState, event: &Event, count_key: CountKey, touch_key: CountKey) {
    let count_key = slot::key_in(&cpu.slot, count_key);
    let touch_key = if touch_key.is_empty() {
        touch_key
    } else {
        slot::key_in(&cpu.slot, touch_key)
    };
    let pages = event.pages();
    let streak = if event.is_user() {
        &mut cpu.user
    } else {
        &mut cpu.kernel
    };
    if streak.count_key != count_key || streak.touch_key != touch_key || streak.pages != pages {
        flush(&mut cpu.slot, streak);
        streak.count_key = count_key;
        streak.touch_key = touch_key;
        streak.pages = pages;
    }
    streak.inputs = event.inputs();
    streak.zoneref = event.zoneref;
    streak.page_kind = event.page_kind;
    streak.count += 1;
}

/// Ends a streak: moves its counts into the bins of its owner.
#[inline(always)]
fn flush(slot: &mut Slot, streak: &mut Streak) {
    let (count, amount) = (streak.count, streak.count.wrapping_mul(streak.pages));
    if count == 0 {
        return;
    }
    slot::begin_flush(slot);
    tally(slot, streak.count_key, streak.touch_key, count, amount);
    streak.count = 0;
    streak.inputs = NO_INPUTS;
    slot::end_flush(slot);
}

/// Counts allocations of the slot's owner, and the first touches that they are too, in bins. Either
/// key may be empty.
///
/// Not inlined: it stands in many places.
#[inline(never)]
pub fn tally(slot: &mut Slot, count_key: CountKey, touch_key: CountKey, count: u64, amount: u64) {
    if !count_key.is_empty() {
        slot::tally(slot, count_key, count, amount);
    }
    if !touch_key.is_empty()
        && let Some(touches) = slot::get(SlotIndex::FirstTouch)
    {
        slot::assign_like(touches, slot);
        slot::tally(touches, touch_key, count, amount);
    }
}
