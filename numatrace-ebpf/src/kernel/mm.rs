//! `struct mm_struct` (include/linux/mm_types.h): the process that memory belongs to.

use super::{load, task::Task};
use crate::globals::{enabled, global};

/// Returns a task of the process that a mapping belongs to, `vma->vm_mm->owner`; `None` when the
/// kernel keeps no owner (no `CONFIG_MEMCG`) or the process is gone.
#[inline(always)]
pub fn owner(vma: *const u8) -> Option<Task> {
    if !enabled!(offsets.mm_owner) || vma.is_null() {
        return None;
    }
    // SAFETY: a BTF-typed argument; the offset is `vm_area_struct.vm_mm`, a `struct mm_struct *`.
    let mm: *const u8 = unsafe { load(vma, global!(offsets.vma_mm)) };
    if mm.is_null() {
        return None;
    }
    // SAFETY: an mm_struct pointer; the offset is `mm_struct.owner`, a `struct task_struct *`.
    let owner: *const u8 = unsafe { load(mm, global!(offsets.mm_owner)) };
    (!owner.is_null()).then_some(Task::from_arg(owner))
}
