//! The totals map: counts by owner and key.

use aya_ebpf::{bindings::BPF_NOEXIST, maps::HashMap};
use numatrace_common::{
    count_key::CountKey,
    counters::Counter,
    totals::{OVERFLOW, TotalKey, TotalValue},
};

use crate::{
    atomic, control, counters,
    maps::{OVERFLOWED, TOTALS},
    who::owner::Owner,
};

/// Adds one event straight to an owner's total, past the slots: for events that are seldom and mostly differ in their keys. Not inlined: it stands
/// in for many copies of itself.
#[inline(never)]
pub fn add_one(owner: Owner, count_key: CountKey, amount: u64) {
    let mut key = TotalKey {
        start_ns: owner.start_ns,
        tid: owner.tid,
        tgid: owner.tgid,
        count_key: count_key.with_epoch(control::epoch() as u16),
    };
    add_total(&mut key, 1, amount);
}

/// Adds to an owner's total; to `[overflow]` when the map has no room, and then the key is that; to the loss counter when not even that works.
#[inline(always)]
pub fn add_total(key: &mut TotalKey, count: u64, amount: u64) {
    let value = &TotalValue { count, amount };
    if add_to(&TOTALS, key, value) {
        return;
    }
    key.start_ns = 0;
    key.tid = 0;
    key.tgid = OVERFLOW;
    let counter = if add_to(&OVERFLOWED, key, value) {
        Counter::Overflowed
    } else {
        Counter::LostTotals
    };
    counters::count(counter, count);
}

#[inline(always)]
fn add_to(map: &HashMap<TotalKey, TotalValue>, key: &TotalKey, value: &TotalValue) -> bool {
    add_existing(map, key, value)
        // Another CPU may have inserted the key in between: then there is something to add to.
        || map.insert(key, value, u64::from(BPF_NOEXIST)).is_ok()
        || add_existing(map, key, value)
}

#[inline(always)]
fn add_existing(map: &HashMap<TotalKey, TotalValue>, key: &TotalKey, value: &TotalValue) -> bool {
    let Some(total) = map.get_ptr_mut(key) else {
        return false;
    };
    // SAFETY: userspace removes an entry only when no CPU can still add to its epoch, so the element is this key's.
    unsafe {
        atomic::add(&raw mut (*total).count, value.count);
        atomic::add(&raw mut (*total).amount, value.amount);
    }
    true
}
