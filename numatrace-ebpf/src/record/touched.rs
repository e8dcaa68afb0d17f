//! First touches that are none: a fault allocates a page and frees it again before it ends.
//!
//! The memory limit of a cgroup refuses the page, and a smaller one follows; another thread was
//! faster with the same page; the fault has to be tried again (mm/memory.c, mm/huge_memory.c).
//! numastat counts the allocation, and so do we. The first touch is counted with it, and withdrawn
//! here when the page turns out to be free: by a count of its own in the totals, and from the run
//! that has it.

use core::ptr::read_volatile;

use aya_ebpf::helpers::bpf_probe_read_kernel;
use numatrace_common::{
    control::NO_RUNS,
    count_key::{CountKey, TOUCH_COW, TOUCH_WITHDRAWN, TouchKind},
    cpu::CpuState,
    slot::{FAULT_KIND, FAULT_KNOWN, FAULT_MARKS_SHIFT, FAULT_OF_OTHER, Fault},
};

use super::touch_run;
use crate::{
    control,
    count::{first_touch, totals},
    cpu,
    globals::{enabled, global},
    kernel::{folio::Folio, task::Task, vma},
    who::{
        fault::{self, Ended},
        owner::Owner,
    },
};

/// Bits of `Fault::page` that hold the order: a `struct page` is 64 bytes long.
const ORDER: u64 = 63;

/// `VM_FAULT_OOM`, `SIGBUS`, `HWPOISON`, `HWPOISON_LARGE`, `SIGSEGV`, `RETRY`, `FALLBACK`
/// (include/linux/mm_types.h): the fault mapped nothing.
const MAPPED_NOTHING: u32 = 0x1 | 0x2 | 0x10 | 0x20 | 0x40 | 0x400 | 0x800;

/// Notes the page that this CPU counted last: its fault allocated it, and it is counted as a first
/// touch. A fault maps one page; pages of files, which it may read ahead, stay in the cache.
#[inline(always)]
pub fn note(cpu: &mut CpuState, order: u32, touch_key: CountKey) {
    // SAFETY: a live element. Volatile, so that the verifier sees a number from memory and no
    // pointer.
    let page = unsafe { read_volatile(&raw const cpu.slot.last_page) };
    let fault = &mut cpu.fault;
    if fault.page == 0 {
        fault.page = page | u64::from(order) & ORDER;
        fault.touch_key = touch_key;
        fault.cause = 0;
    } else if fault.page_kind & FAULT_KIND != TouchKind::File as u64 {
        note_another(cpu, page, order, touch_key);
    }
}

/// Notes a further page: if the one before is free by now, this one takes its place. The kernel may
/// have cut the new page out of the old one.
#[inline(never)]
fn note_another(cpu: &mut CpuState, page: u64, order: u32, touch_key: CountKey) -> u32 {
    let before = cpu.fault.page & !ORDER;
    let length = 64 << (cpu.fault.page & ORDER);
    if page.wrapping_sub(before) < length || is_free(before) {
        let charged = Charged::in_fault(&cpu.fault);
        let (key_before, cause) = (cpu.fault.touch_key, cpu.fault.cause);
        charged.take_off(cpu, key_before, 1 << (cpu.fault.page & 31), cause);
        cpu.fault.page = page | u64::from(order) & ORDER;
        cpu.fault.touch_key = touch_key;
        cpu.fault.cause = 0;
    }
    0
}

/// Settles the first touch of a fault that has ended with `result`. A single page of a process with
/// one thread has no rival, so the page is looked at only where it can have become free.
#[inline(always)]
pub fn settle(ended: &Ended, mapping: *const u8, result: u32) {
    let page = ended.page;
    if page == 0
        || page & ORDER == 0 && result & MAPPED_NOTHING == 0 && !vma::has_several_users(mapping)
    {
        return;
    }
    let kind = ended.page_kind & FAULT_KIND;
    let is_file = kind == TouchKind::File as u64 || kind == TouchKind::Shmem as u64;
    let address = page & !ORDER;
    let is_gone = if is_file {
        is_free(address)
    } else {
        !is_mapped_anonymously(address)
    };
    if is_gone && let Some(cpu) = cpu::state() {
        let task = Task::current();
        let is_other = ended.page_kind & FAULT_OF_OTHER != 0;
        let owner = if is_other {
            fault::owner_of_other(task, mapping).unwrap_or(Owner::NOBODY)
        } else {
            Owner::of(task)
        };
        let charged = Charged { owner, is_other };
        charged.take_off(cpu, ended.touch_key, 1 << (page & 31), ended.cause);
    }
}

/// A folio joined the cache of a file while the task wrote to a private mapping of one: the folio
/// was taken for the copy, and is a page of the file.
#[inline(always)]
pub fn joined_cache(cpu: &mut CpuState, task: Task, folio: Folio) {
    /// A copy of a page of a file.
    const COPY: u64 =
        FAULT_KNOWN | TouchKind::Anon as u64 | (TOUCH_COW as u64) << FAULT_MARKS_SHIFT;
    if !fault::is_in(&mut cpu.fault, task) || cpu.fault.page_kind & COPY != COPY {
        return;
    }
    if cpu.fault.area.ino != 0 && cpu.fault.page_kind & FAULT_KIND == TouchKind::Anon as u64 {
        is_of_file(cpu, folio);
    }
}

#[inline(never)]
fn is_of_file(cpu: &mut CpuState, folio: Folio) -> u32 {
    let order = folio.pages().trailing_zeros();
    let here = cpu::node() as u16;
    let copy = first_touch::key_in_fault(cpu.fault.page_kind, order, folio.node());
    let copy = copy.with_task_node(here);
    let charged = Charged::in_fault(&cpu.fault);
    charged.take_off(cpu, copy, folio.pages(), 0);
    let marks = copy.mark() & !TOUCH_COW;
    let of_file = copy.with_class(TouchKind::File as u8).with_mark(marks);
    charged.count(of_file, folio.pages());
    if cpu.fault.page & !ORDER == cpu.slot.last_page {
        // The page that joined is the one that was allocated last.
        cpu.fault.page = 0;
    }
    0
}

/// Whom the first touches of a fault are charged to.
#[derive(Clone, Copy)]
struct Charged {
    owner: Owner,
    /// The task that faults is of a different process.
    is_other: bool,
}

impl Charged {
    /// The owner of the touches of a fault that is under way.
    #[inline(always)]
    fn in_fault(fault: &Fault) -> Self {
        Self {
            owner: fault::owner(fault, Task::current()),
            is_other: fault.page_kind & FAULT_OF_OTHER != 0,
        }
    }

    /// Counts a touch past the slots.
    #[inline(always)]
    fn count(self, touch_key: CountKey, pages: u64) {
        if self.is_other {
            first_touch::count_in_other(self.owner, touch_key, pages);
        } else {
            totals::add_one(self.owner, touch_key, pages);
        }
    }

    /// Withdraws a first touch.
    #[inline(always)]
    fn take_off(self, cpu: &mut CpuState, touch_key: CountKey, pages: u64, cause: u64) {
        let withdrawn = touch_key.with_mark(touch_key.mark() | TOUCH_WITHDRAWN);
        self.count(withdrawn, pages);
        // Only owners in scope have runs, and no one has any once they have been given up.
        if enabled!(mapping_runs) && self.owner.is_thread() && !control::is_reduced(NO_RUNS) {
            touch_run::take_off(&mut cpu.open, touch_key, pages, cause);
        }
    }
}

/// Returns whether a page is anonymous memory of a process: bit 0 of `page.mapping` is set from the
/// time when the page is mapped to the time when it is freed (include/linux/page-flags.h,
/// `PAGE_MAPPING_ANON`). True where the kernel refuses reads.
#[inline(always)]
fn is_mapped_anonymously(page: u64) -> bool {
    if !enabled!(probe_read) {
        return true;
    }
    let at = page.wrapping_add(u64::from(global!(offsets.folio_mapping)));
    // SAFETY: the helper checks the address and fails where it is not mapped.
    let mapping = unsafe { bpf_probe_read_kernel(at as *const u64) };
    mapping.is_ok_and(|mapping| mapping & 1 != 0)
}

/// Returns whether nobody holds a page: its reference count is 0. False where the kernel refuses
/// reads.
#[inline(always)]
fn is_free(page: u64) -> bool {
    if !enabled!(probe_read) {
        return false;
    }
    let at = page.wrapping_add(u64::from(global!(offsets.page_refcount)));
    // SAFETY: the helper checks the address and fails where it is not mapped.
    let references = unsafe { bpf_probe_read_kernel(at as *const u32) };
    references.is_ok_and(|references| references == 0)
}
