//! Streaks: allocations of a task that are like the one before them, counted with a few comparisons and one addition.
//!
//! Whose an event is is not even asked: a switch of tasks ends what is known of this CPU. Some virtual machines hide switches, so the kernel stack
//! that the hook's arguments lie on must be the same as well.
//!
//! All words that are compared lie in the one element of `CPU_STATE`. What is not like the event before it ends the streak, which goes into
//! the bins of the slots; so a sweep sees each event in one place (`CpuState::counts`). Only `page_alloc` writes streaks, and it
//! never nests on one CPU.

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

/// An allocation of a task, as far as one is told from the next.
#[derive(Clone, Copy)]
pub struct Event {
    pub gfp: u32,
    pub order: u32,
    /// Where the page lies.
    pub node: u16,
    /// Address of the preferred zone, 0 when not known.
    pub zone: u64,
    /// What fault made it, 0 for none.
    pub what: u64,
}

impl Event {
    /// What is known of it at once.
    #[inline(always)]
    pub fn of(page: *const u8, gfp: u32, order: u32) -> Self {
        Self {
            gfp,
            order,
            node: page::node(page),
            zone: 0,
            what: 0,
        }
    }

    /// May user space map its page?
    #[inline(always)]
    pub fn is_user(&self) -> bool {
        self.gfp & global!(gfp.movable) != 0
    }

    #[inline(always)]
    fn inputs(&self) -> u64 {
        u64::from(self.gfp) | u64::from(self.order) << 32
    }
}

/// Counts the event of the task whose streaks these are, if it is like the one before it. Returns the first touch that it is too, or an empty
/// count key.
#[inline(always)]
pub fn goes_on(streak: &mut Streak, here: u32, event: &Event) -> Option<CountKey> {
    if here != u32::from(event.node)
        || streak.inputs != event.inputs()
        || streak.zone != event.zone
        || streak.what != event.what
    {
        return None;
    }
    streak.count += 1;
    Some(streak.touch)
}

/// Makes the task the owner of streaks and slot, which has been entered, and counts what waits there.
#[inline(never)]
pub fn own(cpu: &mut CpuState, task: Task) {
    let epoch = control::epoch();
    if !slot::is_held(&cpu.slot, task, epoch) {
        let holder = Holder::task(task, epoch);
        if holder.is_other(&cpu.slot) {
            close(&mut cpu.slot, &mut cpu.user);
            close(&mut cpu.slot, &mut cpu.kernel);
            slot::flush(&mut cpu.slot);
        }
        holder.take(&mut cpu.slot);
    }
    slot::settle(&mut cpu.slot);
}

/// Has its events taken without a look at who it is, until the next switch of tasks; not in sessions that must look at each.
#[inline(always)]
pub fn hold<C: EbpfContext>(cpu: &mut CpuState, ctx: &C, task: Task) {
    let looks_at_each = enabled!(drop_one_in) || enabled!(kernel_stack_every);
    if !looks_at_each && control::is_attached(SWITCHES) {
        cpu.address = &raw const *cpu as u64;
        cpu.stack = cpu::stack(cpu, ctx);
        cpu.streaking = task.address();
    }
}

/// Counts an event that is not like the one before it, for the slot's owner: in the streak under way when only words differ that come to the
/// same, or in a new one.
#[inline(always)]
pub fn begin(cpu: &mut CpuState, event: &Event, count_key: CountKey, touch: CountKey, pages: u64) {
    let count_key = slot::placed(&cpu.slot, count_key);
    let touch = if touch.is_empty() {
        touch
    } else {
        slot::placed(&cpu.slot, touch)
    };
    let streak = if event.is_user() {
        &mut cpu.user
    } else {
        &mut cpu.kernel
    };
    if streak.count_key != count_key || streak.touch != touch || streak.pages != pages {
        close(&mut cpu.slot, streak);
        streak.count_key = count_key;
        streak.touch = touch;
        streak.pages = pages;
    }
    streak.inputs = event.inputs();
    streak.zone = event.zone;
    streak.what = event.what;
    streak.count += 1;
}

/// The next event must look at the slot: something waits there.
#[inline(always)]
pub fn pause(cpu: &mut CpuState) {
    cpu.streaking = 0;
}

/// Ends a streak: its counts go into the bins of its owner.
#[inline(always)]
fn close(slot: &mut Slot, streak: &mut Streak) {
    let (count, amount) = (streak.count, streak.count.wrapping_mul(streak.pages));
    if count == 0 {
        return;
    }
    slot::on_the_way(slot, 1);
    into_bins(slot, streak.count_key, streak.touch, count, amount);
    streak.count = 0;
    streak.inputs = NO_INPUTS;
    slot::on_the_way(slot, u32::MAX);
}

/// Counts allocations of the slot's owner, and first touches that they are too; either count key may be empty. Not inlined: it stands in many places.
#[inline(never)]
pub fn into_bins(slot: &mut Slot, count_key: CountKey, touch: CountKey, count: u64, amount: u64) {
    if !count_key.is_empty() {
        slot::tally(slot, count_key, count, amount);
    }
    if !touch.is_empty()
        && let Some(touches) = slot::get(SlotIndex::FirstTouch)
    {
        slot::own_alike(touches, slot);
        slot::tally(touches, touch, count, amount);
    }
}
