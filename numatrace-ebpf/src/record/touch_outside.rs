//! First touches that no allocation in a fault shows: pages that the kernel maps for a system call,
//! and pages that a fault gets past the allocator.

use aya_ebpf::programs::tracing::StackIdContext;
use numatrace_common::{
    count_key::CountKey,
    event::mapping_run::{Area, OpenTouch},
    slot::{FAULT_OF_OTHER, Fault},
};

use super::touch_run::Touch;
use crate::{
    count::{first_touch, totals},
    cpu,
    globals::enabled,
    kernel::{task::Task, vma},
    who::{fault, owner::Owner},
};

/// No fault.
const NO_FAULT: Fault = Fault {
    task: 0,
    switches: 0,
    page_kind: 0,
    address: 0,
    kind_holds_for: 0,
    in_run: 0,
    page: 0,
    touch_key: CountKey::EMPTY,
    cause: 0,
    owner_start_ns: 0,
    owner_tid: 0,
    owner_tgid: 0,
    area: Area {
        start: 0,
        end: 0,
        flags: 0,
        pgoff: 0,
        ino: 0,
        dev: 0,
        toucher: 0,
    },
};

/// Counts a base page on `node` that the current task put at an address of a mapping outside a
/// fault, in memory of its own process or of a different one, and adds it to the open run.
#[inline(always)]
pub fn count_in_mapping<C: StackIdContext>(
    ctx: &C,
    open: Option<&mut OpenTouch>,
    mapping: *const u8,
    address: u64,
    node: u16,
) {
    let task = Task::current();
    let (kind, _) = vma::touch_kind(mapping, address, 0);
    let here = cpu::node() as u16;
    let touch_key = first_touch::key(kind as u8, 0, node).with_task_node(here);
    let other = fault::owner_of_other(task, mapping);
    let owner = other.unwrap_or_else(|| Owner::of(task));
    count(owner, other.is_some(), touch_key, 1);
    if !enabled!(mapping_runs) || !owner.is_thread() {
        return;
    }
    let mut fault = NO_FAULT;
    fault.address = address;
    fault.area = vma::area(mapping);
    if other.is_some() {
        fault.area.toucher = task.tgid();
    }
    if let Some(open) = open {
        let touch = Touch {
            task,
            owner,
            count_key: touch_key,
            pages: 1,
            fault: &fault,
        };
        touch.add(ctx, open);
    }
}

/// Counts pages on `node` that compaction handed to the fault of the current task, and writes a run
/// of their own. Nothing is counted for a task that is in no fault.
#[inline(always)]
pub fn count_captured(gfp: u32, order: u32, node: u16) {
    let Some(cpu) = cpu::state() else {
        return;
    };
    let task = Task::current();
    let page_kind = fault::page_kind_of_captured(&mut cpu.fault, task, gfp);
    let touch_key = first_touch::key_in_fault(page_kind, order, node);
    if touch_key.is_empty() {
        return;
    }
    let touch_key = touch_key.with_task_node(cpu::node() as u16);
    let owner = fault::owner(&cpu.fault, task);
    let pages = 1 << (order & 31);
    let is_other = page_kind & FAULT_OF_OTHER != 0;
    count(owner, is_other, touch_key, pages);
    if enabled!(mapping_runs) && owner.is_thread() {
        let touch = Touch {
            task,
            owner,
            count_key: touch_key,
            pages,
            fault: &cpu.fault,
        };
        touch.emit_alone();
    }
}

#[inline(always)]
fn count(owner: Owner, is_other: bool, touch_key: CountKey, pages: u64) {
    if is_other {
        first_touch::count_in_other(owner, touch_key, pages);
    } else {
        totals::add_one(owner, touch_key, pages);
    }
}
