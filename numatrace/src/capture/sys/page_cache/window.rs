//! One part of a file, mapped so that the kernel can be asked about its pages. No byte of it is
//! ever read from here: a file that becomes shorter meanwhile would end this process (SIGBUS).

use std::{
    ffi::{c_int, c_void},
    io,
    ops::Range,
    os::fd::{AsRawFd, BorrowedFd},
    ptr,
};

use crate::ids::NodeId;

/// cachestat(2), include/uapi/asm-generic/unistd.h; since Linux 6.5.
const SYS_CACHESTAT: libc::c_long = 451;

/// `struct cachestat_range`, include/uapi/linux/mman.h.
#[repr(C)]
struct CachestatRange {
    off: u64,
    len: u64,
}

/// `struct cachestat`, include/uapi/linux/mman.h: base pages.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Cachestat {
    nr_cache: u64,
    nr_dirty: u64,
    nr_writeback: u64,
    nr_evicted: u64,
    nr_recently_evicted: u64,
}

impl Cachestat {
    /// Returns whether nothing is cached.
    pub fn is_empty(self) -> bool {
        self.nr_cache == 0
    }

    /// Returns the base pages that the disk does not have yet: dirty, or being written.
    pub fn not_on_disk(self) -> u64 {
        self.nr_dirty
            .saturating_add(self.nr_writeback)
            .min(self.nr_cache)
    }
}

/// Returns the kernel's counts of a part of a file; `None` on kernels and file systems without
/// them. `bytes` is not empty: the kernel would take an empty range for the whole file.
pub fn cachestat(file: BorrowedFd<'_>, bytes: Range<u64>) -> Option<Cachestat> {
    let range = CachestatRange {
        off: bytes.start,
        len: bytes.end - bytes.start,
    };
    let mut counts = Cachestat::default();
    // SAFETY: both pointers are to live locals with the kernel's layouts, and the call touches no
    // other memory.
    let failed = unsafe {
        libc::syscall(
            SYS_CACHESTAT,
            file.as_raw_fd(),
            &raw const range,
            &raw mut counts,
            0u32,
        )
    };
    (failed == 0).then_some(counts)
}

/// A mapping; dropping it removes it.
pub struct Window {
    start: *mut c_void,
    bytes: usize,
}

impl Window {
    /// Maps a part of a file, which may reach beyond its end. `offset` is a multiple of the page
    /// size.
    pub fn map(file: BorrowedFd<'_>, offset: u64, bytes: u64) -> io::Result<Self> {
        let too_far = |_| io::Error::from_raw_os_error(libc::EOVERFLOW);
        let bytes = usize::try_from(bytes).map_err(too_far)?;
        let offset = libc::off_t::try_from(offset).map_err(too_far)?;
        // SAFETY: the kernel chooses the address, so the call changes no memory in use. The mapping
        // is shared and for reading, and nothing here dereferences it.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ,
                libc::MAP_SHARED | libc::MAP_NORESERVE,
                file.as_raw_fd(),
                offset,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let window = Self { start, bytes };
        // Random access: no page brings in the ones behind it, and a page that was only asked for
        // does not count as used when it is unmapped.
        window.advise(0, bytes, libc::MADV_RANDOM);
        Ok(window)
    }

    /// Writes into `cached`, for each page, whether it is in the page cache.
    pub fn cached(&self, page_size: u64, cached: &mut Vec<bool>) -> io::Result<()> {
        let mut bytes = vec![0u8; self.bytes.div_ceil(usize(page_size))];
        // SAFETY: the range is this mapping's, and the kernel writes one byte for each of its
        // pages, of which `bytes` has as many.
        let failed = unsafe { libc::mincore(self.start, self.bytes, bytes.as_mut_ptr().cast()) };
        if failed != 0 {
            return Err(io::Error::last_os_error());
        }
        cached.clear();
        cached.extend(bytes.iter().map(|byte| byte & 1 == 1));
        Ok(())
    }

    /// Maps a run of pages that follow each other, as far as the kernel can; an empty run is none.
    pub fn touch(&self, run: &[usize], page_size: u64) {
        if let (Some(first), Some(last)) = (run.first(), run.last()) {
            let page = usize(page_size);
            let bytes = (last - first + 1) * page;
            self.advise(first * page, bytes, libc::MADV_POPULATE_READ);
        }
    }

    /// Returns the node of each of these pages; `None` for those that are not mapped.
    pub fn nodes(&self, pages: &[usize], page_size: u64) -> io::Result<Vec<Option<NodeId>>> {
        let page = usize(page_size);
        let addresses = pages
            .iter()
            .map(|at| self.start.wrapping_byte_add(at * page));
        let addresses: Vec<*mut c_void> = addresses.collect();
        let mut status: Vec<c_int> = vec![-libc::ENOENT; pages.len()];
        // SAFETY: both arrays live through the call and have the passed number of elements; without
        // nodes to move to, the kernel only writes `status`.
        let failed = unsafe {
            libc::syscall(
                libc::SYS_move_pages,
                0,
                addresses.len(),
                addresses.as_ptr(),
                ptr::null::<c_int>(),
                status.as_mut_ptr(),
                0,
            )
        };
        if failed < 0 {
            return Err(io::Error::last_os_error());
        }
        let node = |status: c_int| u16::try_from(status).ok().map(NodeId);
        Ok(status.into_iter().map(node).collect())
    }

    /// Gives advice on a part of the mapping. The kernel may refuse it; nothing depends on it.
    fn advise(&self, from: usize, bytes: usize, advice: c_int) {
        let bytes = bytes.min(self.bytes.saturating_sub(from));
        let start = self.start.wrapping_byte_add(from);
        // SAFETY: the range is part of this mapping, and neither advice changes what memory holds.
        let _ = unsafe { libc::madvise(start, bytes, advice) };
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours alone, and no reference to it exists.
        let _ = unsafe { libc::munmap(self.start, self.bytes) };
    }
}

/// Returns a page size as an index; page sizes are far below the largest.
fn usize(page_size: u64) -> usize {
    usize::try_from(page_size).unwrap_or(usize::MAX).max(1)
}
