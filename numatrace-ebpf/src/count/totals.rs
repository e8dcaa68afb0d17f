//! The totals map: counts by owner and count key.

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

/// Adds one event straight to an owner's total, past the slots: for events that are seldom and
/// mostly differ in their keys.
///
/// Not inlined: it stands in for many copies of itself.
#[inline(never)]
pub fn add_one(owner: Owner, count_key: CountKey, amount: u64) {
    let mut key = TotalKey {
        start_ns: owner.start_ns,
        tid: owner.tid,
        tgid: owner.tgid,
        count_key: count_key.with_epoch(control::epoch() as u16),
    };
    add(&mut key, 1, amount);
}

/// Adds to an owner's total. If the map has no room, adds to the total of `[overflow]`, whose key
/// `key` then is; if that fails too, counts the loss.
#[inline(always)]
pub fn add(key: &mut TotalKey, count: u64, amount: u64) {
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

/// Adds to an entry of a map, new or not. Returns false when the map has no room.
#[inline(always)]
fn add_to(map: &HashMap<TotalKey, TotalValue>, key: &TotalKey, value: &TotalValue) -> bool {
    add_to_existing(map, key, value)
        // Another CPU may have inserted the key in between: then there is an entry to add to.
        || map.insert(key, value, u64::from(BPF_NOEXIST)).is_ok()
        || add_to_existing(map, key, value)
}

/// Adds to an entry of a map. Returns false when there is none.
#[inline(always)]
fn add_to_existing(
    map: &HashMap<TotalKey, TotalValue>,
    key: &TotalKey,
    value: &TotalValue,
) -> bool {
    let Some(total) = map.get_ptr_mut(key) else {
        return false;
    };
    // SAFETY: userspace removes an entry only when no CPU can still add to its epoch, so the
    // element is this key's.
    unsafe {
        atomic::add(&raw mut (*total).count, value.count);
        atomic::add(&raw mut (*total).amount, value.amount);
    }
    true
}
