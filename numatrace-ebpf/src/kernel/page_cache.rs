//! `struct address_space` and `struct inode` (include/linux/fs.h): the file that a page of the page
//! cache belongs to.

use super::load;
use crate::globals::global;

/// `HUGETLBFS_MAGIC` (include/uapi/linux/magic.h).
const HUGETLBFS_MAGIC: u64 = 0x9584_58f6;

/// Returns whether a folio has just joined a file of hugetlbfs.
#[inline(always)]
pub fn is_hugetlbfs(folio: *const u8) -> bool {
    // SAFETY: a struct inode pointer; the offset is `struct super_block *i_sb`.
    let sb: *const u8 = unsafe { load(inode_of(folio), global!(offsets.inode_sb)) };
    // SAFETY: a struct super_block pointer; the offset is `unsigned long s_magic`.
    let magic: u64 = unsafe { load(sb, global!(offsets.sb_magic)) };
    magic == HUGETLBFS_MAGIC
}

#[inline(always)]
fn inode_of(folio: *const u8) -> *const u8 {
    // SAFETY: a BTF-typed folio pointer; the offset is `struct address_space *mapping`, set before
    // the folio is in the cache.
    let mapping: *const u8 = unsafe { load(folio, global!(offsets.folio_mapping)) };
    // SAFETY: an address_space pointer; the offset is `struct inode *host`, there for every file.
    unsafe { load(mapping, global!(offsets.mapping_host)) }
}

/// Returns device and inode number of the file whose cache a folio has just joined.
#[inline(always)]
pub fn file_of(folio: *const u8) -> (u32, u64) {
    let inode = inode_of(folio);
    // SAFETY: a struct inode pointer; the offsets are `unsigned long i_ino` and
    // `struct super_block *i_sb`.
    let (ino, sb): (u64, *const u8) = unsafe {
        (
            load(inode, global!(offsets.inode_ino)),
            load(inode, global!(offsets.inode_sb)),
        )
    };
    // SAFETY: a struct super_block pointer; the offset is `dev_t s_dev`.
    (unsafe { load(sb, global!(offsets.sb_dev)) }, ino)
}
