//! `struct hstate` (include/linux/hugetlb.h): the pool of huge pages of one size, node by node.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use numatrace_common::{event::hugetlb_failed::PoolPages, globals::ABSENT};

use super::load;
use crate::globals::{enabled, global};

/// Copies the free pages and all pages of the pool that a hugetlbfs takes its pages from, by node.
/// Returns false where the kernel refuses reads or has no such members.
///
/// Nodes that the kernel was not built for read as whatever follows in the struct.
#[inline(always)]
pub fn pages(super_block: *const u8, free: &mut PoolPages, total: &mut PoolPages) -> bool {
    let (free_at, total_at) = (global!(offsets.hstate_free), global!(offsets.hstate_total));
    if free_at == ABSENT || total_at == ABSENT || !enabled!(probe_read) {
        return false;
    }
    // SAFETY: a struct super_block pointer; the offset is `void *s_fs_info`, which in a hugetlbfs
    // is a `struct hugetlbfs_sb_info *` (fs/hugetlbfs/inode.c).
    let info: u64 = unsafe { load(super_block, global!(offsets.sb_fs_info)) };
    let mut hstate = 0u64;
    let at = info.wrapping_add(u64::from(global!(offsets.hugetlbfs_hstate)));
    let bytes = size_of::<PoolPages>() as u32;
    // SAFETY: the helper checks the addresses and fails where they are not mapped; the buffers have
    // the lengths given.
    unsafe {
        bpf_probe_read_kernel((&raw mut hstate).cast(), 8, at as *const _) == 0
            && hstate != 0
            && bpf_probe_read_kernel(
                free.as_mut_ptr().cast(),
                bytes,
                hstate.wrapping_add(u64::from(free_at)) as *const _,
            ) == 0
            && bpf_probe_read_kernel(
                total.as_mut_ptr().cast(),
                bytes,
                hstate.wrapping_add(u64::from(total_at)) as *const _,
            ) == 0
    }
}
