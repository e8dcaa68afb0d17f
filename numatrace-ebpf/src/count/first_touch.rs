//! The count key of a first touch, and the counts of touches in memory of a different process.

use numatrace_common::{
    count_key::{CountKey, Stem, TOUCH_THP, TOUCH_WITHDRAWN, TouchKind},
    slot::{FAULT_HINTING, FAULT_KIND, FAULT_KNOWN, FAULT_MARKS_SHIFT},
};

use super::totals;
use crate::{globals::global, kernel::task::Task, who::owner::Owner};

/// Returns the key of a page that a fault allocated, the empty key when it is no first touch.
/// `page_kind` is [`Fault::page_kind`](numatrace_common::slot::Fault::page_kind).
#[inline(always)]
pub fn key_in_fault(page_kind: u64, order: u32, node: u16) -> CountKey {
    if page_kind & (FAULT_KNOWN | FAULT_HINTING) != FAULT_KNOWN {
        return CountKey::EMPTY;
    }
    // A page that joins the pool inside the fault, and is counted when it leaves the pool.
    if page_kind & FAULT_KIND == TouchKind::Hugetlb as u64 {
        return CountKey::EMPTY;
    }
    let huge = if order >= global!(pmd_order) {
        TOUCH_THP
    } else {
        0
    };
    let marks = (page_kind >> FAULT_MARKS_SHIFT) as u8 | huge;
    key(page_kind as u8, marks, node)
}

/// Returns the key of a first touch.
#[inline(always)]
pub fn key(kind: u8, marks: u8, node: u16) -> CountKey {
    CountKey::new(Stem::FirstTouch)
        .with_page_node(node)
        .with_class(kind)
        .with_mark(marks)
}

/// Counts pages that the current task touched in memory of a different process: for the owner of
/// the memory, with the process that touched them. `touch_key` has the node of this CPU.
#[inline(always)]
pub fn count_in_other(owner: Owner, touch_key: CountKey, pages: u64) {
    let ids = u64::from(owner.tid) | u64::from(owner.tgid) << 32;
    count_for(owner.start_ns, ids, touch_key, pages);
}

/// Not inlined: it is seldom. The owner is passed in registers: the verifier of 7.3 takes a stack
/// slot of the caller for unused when only the called function reads it.
#[inline(never)]
fn count_for(start_ns: u64, ids: u64, touch_key: CountKey, pages: u64) -> u32 {
    let owner = Owner {
        start_ns,
        tid: ids as u32,
        tgid: (ids >> 32) as u32,
    };
    let by = CountKey::new(Stem::TouchedBy)
        .with_pid(Task::current().tgid())
        .with_mark(touch_key.mark() & TOUCH_WITHDRAWN);
    totals::add_one(owner, touch_key, pages);
    totals::add_one(owner, by, pages);
    0
}
