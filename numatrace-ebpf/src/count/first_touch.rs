//! The count key of a first touch.

use numatrace_common::{
    count_key::{CountKey, Stem, TOUCH_THP, TouchKind},
    slot::{FAULT_HINTING, FAULT_KIND, FAULT_KNOWN, FAULT_MARKS_SHIFT},
};

use crate::globals::global;

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
