//! The count key of a first touch.

use numatrace_common::{
    count_key::{CountKey, Stem, TOUCH_THP},
    slot::{FAULT_KNOWN, FAULT_MARKS_SHIFT, FAULT_MOVES},
};

use crate::globals::global;

/// The count key of a page of such a fault; empty when it is no first touch.
#[inline(always)]
pub fn made_by(what: u64, order: u32, node: u16) -> CountKey {
    if what & (FAULT_KNOWN | FAULT_MOVES) != FAULT_KNOWN {
        return CountKey(0);
    }
    let marks = (what >> FAULT_MARKS_SHIFT) as u8 | thp(order);
    key(what as u8, marks, node)
}

/// The mark of a huge page, if it is one.
#[inline(always)]
fn thp(order: u32) -> u8 {
    if order >= global!(pmd_order) {
        TOUCH_THP
    } else {
        0
    }
}

/// The count key of a first touch.
#[inline(always)]
pub fn key(kind: u8, marks: u8, node: u16) -> CountKey {
    CountKey::new(Stem::FirstTouch)
        .with_page_node(node)
        .with_class(kind)
        .with_mark(marks)
}
