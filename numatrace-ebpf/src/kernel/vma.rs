//! `struct vm_area_struct`, `struct mm_struct` (include/linux/mm_types.h), `struct file`,
//! `struct super_block` (include/linux/fs.h).

use numatrace_common::{
    count_key::{TOUCH_COW, TouchKind},
    event::mapping_run::Area,
};

use super::{load, mempolicy::Mempolicy, page};
use crate::globals::global;

/// `VM_SHARED`, `VM_GROWSDOWN`, `VM_HUGETLB` (include/linux/mm.h), the same on all kernels.
const VM_SHARED: u64 = 0x8;
const VM_GROWSDOWN: u64 = 0x100;
const VM_HUGETLB: u64 = 0x40_0000;
/// `SB_KERNMOUNT`: a file system that the kernel mounted for itself; memfd, SysV and shared
/// anonymous memory live there.
const SB_KERNMOUNT: u64 = 1 << 22;
/// `FAULT_FLAG_WRITE` (include/linux/mm_types.h).
const FAULT_FLAG_WRITE: u32 = 1;
/// `FAULT_FLAG_REMOTE`, likewise: the task need not be one of the process that has the memory.
pub const FAULT_FLAG_REMOTE: u32 = 0x80;

/// Returns the kind of page that a fault at `address` of a mapping allocates, and the mark of a
/// private copy of a file's page.
#[inline(always)]
pub fn touch_kind(vma: *const u8, address: u64, fault_flags: u32) -> (TouchKind, u8) {
    // SAFETY: a BTF-typed argument; the offsets are `vm_flags_t vm_flags` and
    // `struct file *vm_file`.
    let (flags, file): (u64, *const u8) = unsafe {
        (
            load(vma, global!(offsets.vma_flags)),
            load(vma, global!(offsets.vma_file)),
        )
    };
    if flags & VM_HUGETLB != 0 {
        return (TouchKind::Hugetlb, 0);
    }
    if !file.is_null() {
        if flags & VM_SHARED == 0 && fault_flags & FAULT_FLAG_WRITE != 0 {
            return (TouchKind::Anon, TOUCH_COW);
        }
        let kind = if is_shared_memory(file) {
            TouchKind::Shmem
        } else {
            TouchKind::File
        };
        return (kind, 0);
    }
    if flags & VM_GROWSDOWN != 0 {
        return (TouchKind::Stack, 0);
    }
    let (start, end) = heap(vma);
    if start <= address && address < end {
        (TouchKind::Heap, 0)
    } else {
        (TouchKind::Anon, 0)
    }
}

/// Returns the range of the heap of a mapping's process, in whole pages: within them it cannot
/// change without a change of the mapping.
#[inline(always)]
fn heap(vma: *const u8) -> (u64, u64) {
    // SAFETY: a BTF-typed argument; the offset is `struct mm_struct *vm_mm`, not NULL for a mapping
    // that can fault.
    let mm: *const u8 = unsafe { load(vma, global!(offsets.vma_mm)) };
    // SAFETY: an mm_struct pointer; the offsets are `unsigned long start_brk` and `brk`.
    let (start, end): (u64, u64) = unsafe {
        (
            load(mm, global!(offsets.mm_start_brk)),
            load(mm, global!(offsets.mm_brk)),
        )
    };
    let in_page = page::bytes(1) - 1;
    (start & !in_page, end.wrapping_add(in_page) & !in_page)
}

/// Returns whether a mapping, which `area` describes, is anonymous memory of one kind at every
/// address. A mapping that has grown together with the heap is not.
#[inline(always)]
pub fn is_of_one_kind(vma: *const u8, area: &Area) -> bool {
    if !is_anonymous(vma, area) {
        return false;
    }
    let (start, end) = heap(vma);
    let (outside, inside) = (
        area.end <= start || end <= area.start,
        start <= area.start && area.end <= end,
    );
    area.flags & VM_GROWSDOWN != 0 || outside || inside
}

/// Returns whether both describe the same mapping. A stack grows downwards, every other mapping
/// keeps its start.
#[inline(always)]
pub fn is_same(a: &Area, b: &Area) -> bool {
    let anchored = if a.flags & VM_GROWSDOWN != 0 {
        a.end == b.end
    } else {
        a.start == b.start
    };
    anchored && a.ino == b.ino && a.flags == b.flags
}

/// Returns whether a mapping is anonymous and as `area` describes it. To distinguish mappings of
/// files takes more than this.
#[inline(always)]
pub fn is_anonymous(vma: *const u8, area: &Area) -> bool {
    // SAFETY: a BTF-typed argument; the offsets are `unsigned long vm_start` and `vm_end`,
    // `vm_flags_t vm_flags`, `struct file *vm_file`.
    let (start, end, flags, file): (u64, u64, u64, *const u8) = unsafe {
        (
            load(vma, global!(offsets.vma_start)),
            load(vma, global!(offsets.vma_end)),
            load(vma, global!(offsets.vma_flags)),
            load(vma, global!(offsets.vma_file)),
        )
    };
    file.is_null() && area.start == start && area.end == end && area.flags == flags
}

/// Returns a description of a mapping that distinguishes it from others.
#[inline(always)]
pub fn area(vma: *const u8) -> Area {
    // SAFETY: a BTF-typed argument; the offsets are `unsigned long vm_start`, `vm_end` and
    // `vm_pgoff`, `vm_flags_t vm_flags`, `struct file *vm_file`.
    let (start, end, pgoff, flags, file): (u64, u64, u64, u64, *const u8) = unsafe {
        (
            load(vma, global!(offsets.vma_start)),
            load(vma, global!(offsets.vma_end)),
            load(vma, global!(offsets.vma_pgoff)),
            load(vma, global!(offsets.vma_flags)),
            load(vma, global!(offsets.vma_file)),
        )
    };
    let mut area = Area {
        start,
        end,
        flags,
        pgoff,
        ino: 0,
        dev: 0,
        toucher: 0,
    };
    if !file.is_null() {
        // SAFETY: a struct file pointer; the offset is `struct inode *f_inode`.
        let inode: *const u8 = unsafe { load(file, global!(offsets.file_inode)) };
        // SAFETY: a struct inode pointer; the offset is `unsigned long i_ino`.
        area.ino = unsafe { load(inode, global!(offsets.inode_ino)) };
        // SAFETY: a struct super_block pointer; the offset is `dev_t s_dev`.
        area.dev = unsafe { load(super_block(file), global!(offsets.sb_dev)) };
    }
    area
}

/// Returns whether other processes see writes to a mapping.
#[inline(always)]
pub fn is_shared(vma: *const u8) -> bool {
    // SAFETY: a BTF-typed argument; the offset is `vm_flags_t vm_flags`.
    let flags: u64 = unsafe { load(vma, global!(offsets.vma_flags)) };
    flags & VM_SHARED != 0
}

/// The policy of a mapping by mbind(2): `vm_area_struct.vm_policy`.
#[inline(always)]
pub fn policy(vma: *const u8) -> Mempolicy {
    // SAFETY: a BTF-typed argument; the offset is `struct mempolicy *vm_policy`.
    Mempolicy::from_pointer(unsafe { load(vma, global!(offsets.vma_policy)) })
}

/// Returns whether more than one thread or kernel worker uses the memory that a mapping is of:
/// `mm_struct.mm_users`.
#[inline(always)]
pub fn has_several_users(vma: *const u8) -> bool {
    // SAFETY: a BTF-typed argument; the offset is `struct mm_struct *vm_mm`.
    let mm: *const u8 = unsafe { load(vma, global!(offsets.vma_mm)) };
    // SAFETY: an mm_struct pointer; the offset is `atomic_t mm_users`.
    let users: u32 = unsafe { load(mm, global!(offsets.mm_users)) };
    users > 1
}

/// Returns the order of the huge pages of a hugetlb mapping.
#[inline(always)]
pub fn hugetlb_order(vma: *const u8) -> u32 {
    hugetlb_bits(vma).saturating_sub(global!(page_shift))
}

/// Returns log2 of the size in bytes of the huge pages of a hugetlb mapping: the block size of its
/// file system (fs/hugetlbfs/inode.c).
#[inline(always)]
pub fn hugetlb_bits(vma: *const u8) -> u32 {
    // SAFETY: a struct super_block pointer; the offset is `unsigned char s_blocksize_bits`.
    let bits: u8 = unsafe { load(hugetlbfs(vma), global!(offsets.sb_blocksize_bits)) };
    u32::from(bits)
}

/// Returns the file system of a hugetlb mapping.
#[inline(always)]
pub fn hugetlbfs(vma: *const u8) -> *const u8 {
    // SAFETY: a BTF-typed argument; the offset is `struct file *vm_file`, there for every hugetlb
    // mapping.
    super_block(unsafe { load(vma, global!(offsets.vma_file)) })
}

/// Returns `file->f_inode->i_sb`.
#[inline(always)]
fn super_block(file: *const u8) -> *const u8 {
    // SAFETY: a struct file pointer; the offset is `struct inode *f_inode`.
    let inode: *const u8 = unsafe { load(file, global!(offsets.file_inode)) };
    // SAFETY: a struct inode pointer; the offset is `struct super_block *i_sb`.
    unsafe { load(inode, global!(offsets.inode_sb)) }
}

/// Returns whether a file is shared memory: it has no path, or a path under `/dev/shm`.
#[inline(always)]
fn is_shared_memory(file: *const u8) -> bool {
    let sb = super_block(file);
    // SAFETY: a struct super_block pointer; the offsets are `unsigned long s_flags` and
    // `dev_t s_dev`.
    let (flags, dev): (u64, u32) = unsafe {
        (
            load(sb, global!(offsets.sb_flags)),
            load(sb, global!(offsets.sb_dev)),
        )
    };
    flags & SB_KERNMOUNT != 0 || global!(shm_dev) != 0 && dev == global!(shm_dev)
}
