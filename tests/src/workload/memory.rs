//! Ranges of address space that are touched one page at a time.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};

/// Bytes per base page.
#[must_use]
pub fn page_size() -> usize {
    // SAFETY: sysconf only reads a constant of the system.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}

/// Drops the page cache as far as it is clean, so that the kernel finds nothing to reclaim there
/// later. Without the right to, the cache stays.
pub fn drop_caches() {
    let _ = std::fs::write("/proc/sys/vm/drop_caches", "3");
}

/// A mapping, unmapped on drop. Access is by single bytes through atomics, so threads may share it.
#[derive(Debug)]
pub struct Region {
    base: NonNull<u8>,
    len: usize,
    page: usize,
    owned: bool,
}

// SAFETY: the mapping belongs to the process, not to a thread, and every access to it is atomic.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// Maps private anonymous memory of `pages` base pages, which the kernel will not back by huge
    /// pages.
    ///
    /// # Errors
    /// The address space is exhausted.
    pub fn anonymous(pages: usize) -> Result<Self> {
        let region = Self::map(
            pages,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            None,
        )?;
        region.without_huge_pages()?;
        Ok(region)
    }

    /// Maps anonymous memory that forked children share.
    ///
    /// # Errors
    /// The address space is exhausted.
    pub fn shared(pages: usize) -> Result<Self> {
        Self::map(pages, libc::MAP_SHARED | libc::MAP_ANONYMOUS, None)
    }

    /// Maps the first `pages` pages of a file, shared.
    ///
    /// # Errors
    /// The file cannot be mapped.
    pub fn file(pages: usize, file: BorrowedFd<'_>) -> Result<Self> {
        Self::map(pages, libc::MAP_SHARED, Some(file))
    }

    /// Maps the first `pages` pages of a file for reading only; writing there kills the process.
    ///
    /// # Errors
    /// The file cannot be mapped.
    pub fn reading(pages: usize, file: BorrowedFd<'_>) -> Result<Self> {
        Self::protected(pages, libc::PROT_READ, libc::MAP_SHARED, Some(file))
    }

    /// Maps the first `pages` pages of a file as the text of a program is mapped.
    ///
    /// # Errors
    /// The file cannot be mapped.
    pub fn executing(pages: usize, file: BorrowedFd<'_>) -> Result<Self> {
        let access = libc::PROT_READ | libc::PROT_EXEC;
        Self::protected(pages, access, libc::MAP_PRIVATE, Some(file))
    }

    /// Maps `bytes` of huge pages from the pool.
    ///
    /// # Errors
    /// The pool has too few.
    pub fn hugetlb(bytes: usize) -> Result<Self> {
        Self::map(
            bytes / page_size(),
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_HUGETLB,
            None,
        )
    }

    /// Maps `bytes` of huge pages that nothing is reserved for: each comes from the pool when it is
    /// touched, or from the ordinary allocator where the pool may grow.
    ///
    /// # Errors
    /// The address space is exhausted.
    pub fn surplus(bytes: usize, shared: bool) -> Result<Self> {
        let way = if shared {
            libc::MAP_SHARED
        } else {
            libc::MAP_PRIVATE
        };
        let flags = way | libc::MAP_ANONYMOUS | libc::MAP_HUGETLB | libc::MAP_NORESERVE;
        Self::map(bytes / page_size(), flags, None)
    }

    /// Maps the first `pages` pages of a file for private copies.
    ///
    /// # Errors
    /// The file cannot be mapped.
    pub fn copies(pages: usize, file: BorrowedFd<'_>) -> Result<Self> {
        Self::map(pages, libc::MAP_PRIVATE, Some(file))
    }

    /// Stands for memory that is already mapped and stays mapped, to touch pages that a different
    /// call made. Never unmapped.
    ///
    /// # Errors
    /// The address is 0.
    pub fn borrowed(start: usize, pages: usize) -> Result<Self> {
        let mut region = Self::at(start as *mut libc::c_void, pages * page_size())?;
        region.owned = false;
        Ok(region)
    }

    /// Attaches a System V shared memory segment; detached on drop.
    ///
    /// # Errors
    /// The segment cannot be attached.
    pub fn sysv(id: i32, pages: usize) -> Result<Self> {
        // SAFETY: the kernel chooses the address, so nothing of this process is replaced.
        let base = unsafe { libc::shmat(id, std::ptr::null(), 0) };
        ensure!(
            base as isize != -1,
            "cannot attach shared memory {id}: {}",
            io::Error::last_os_error()
        );
        Self::at(base, pages * page_size())
    }

    fn map(pages: usize, flags: i32, file: Option<BorrowedFd<'_>>) -> Result<Self> {
        Self::protected(pages, libc::PROT_READ | libc::PROT_WRITE, flags, file)
    }

    fn protected(
        pages: usize,
        protection: i32,
        flags: i32,
        file: Option<BorrowedFd<'_>>,
    ) -> Result<Self> {
        let len = pages * page_size();
        let fd = file.map_or(-1, |file| std::os::fd::AsRawFd::as_raw_fd(&file));
        // SAFETY: a fresh mapping at an address of the kernel's choice.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, flags, fd, 0) };
        ensure!(
            base != libc::MAP_FAILED,
            "cannot map {pages} pages: {}",
            io::Error::last_os_error()
        );
        Self::at(base, len)
    }

    fn at(base: *mut libc::c_void, len: usize) -> Result<Self> {
        Ok(Self {
            base: NonNull::new(base.cast()).context("mapped at address 0")?,
            len,
            page: page_size(),
            owned: true,
        })
    }

    /// Returns the first address.
    #[must_use]
    pub fn start(&self) -> usize {
        self.base.as_ptr() as usize
    }

    /// Returns the size in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether the region has no page.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the size in base pages.
    #[must_use]
    pub fn pages(&self) -> usize {
        self.len / self.page
    }

    /// Calls `madvise(2)` on the whole region.
    ///
    /// # Errors
    /// The kernel refuses that advice.
    pub fn advise(&self, advice: i32) -> Result<()> {
        // SAFETY: the range is this region's, and no reference into it exists: all access is by
        // atomics made on the spot.
        let done = unsafe { libc::madvise(self.base.as_ptr().cast(), self.len, advice) };
        ensure!(
            done == 0,
            "madvise({advice}) failed: {}",
            io::Error::last_os_error()
        );
        Ok(())
    }

    /// Has the kernel back the region with base pages only. Kernels without transparent huge pages,
    /// as real-time ones are, do so anyway, and do not know the advice.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn without_huge_pages(&self) -> Result<()> {
        if Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
            self.advise(libc::MADV_NOHUGEPAGE)?;
        }
        Ok(())
    }

    /// Gives one base page back: it is absent until it is written again.
    ///
    /// # Errors
    /// The kernel refuses, or there is no such page.
    pub fn drop_page(&self, page: usize) -> Result<()> {
        ensure!(page < self.pages(), "page {page} of {}", self.pages());
        // SAFETY: inside the mapping, and no reference into it exists.
        let done = unsafe {
            libc::madvise(
                self.base.as_ptr().add(page * self.page).cast(),
                self.page,
                libc::MADV_DONTNEED,
            )
        };
        ensure!(
            done == 0,
            "madvise(DONTNEED) failed: {}",
            io::Error::last_os_error()
        );
        Ok(())
    }

    /// Puts the first `pages` base pages into a pipe by reference (`vmsplice(2)`): the kernel
    /// cannot move them while they are there.
    ///
    /// # Errors
    /// The pipe has no room for them, or the kernel refuses.
    pub fn lend(&self, pages: usize, pipe: BorrowedFd<'_>) -> Result<()> {
        let bytes = pages * self.page;
        ensure!(bytes <= self.len, "{pages} pages of {}", self.pages());
        let part = libc::iovec {
            iov_base: self.base.as_ptr().cast(),
            iov_len: bytes,
        };
        let fd = std::os::fd::AsRawFd::as_raw_fd(&pipe);
        // SAFETY: the vector lies inside the mapping, and the kernel only takes references to its
        // pages.
        let lent = unsafe { libc::vmsplice(fd, &raw const part, 1, libc::SPLICE_F_NONBLOCK) };
        ensure!(
            usize::try_from(lent) == Ok(bytes),
            "the pipe took {lent} of {bytes} bytes: {}",
            io::Error::last_os_error()
        );
        Ok(())
    }

    /// Returns how many pages of a mapped file are in the page cache (`mincore(2)`).
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn cached(&self) -> Result<usize> {
        let mut present = vec![0u8; self.pages()];
        // SAFETY: the range is this region's, and the kernel writes one byte per page to `present`.
        let done = unsafe {
            libc::mincore(
                self.base.as_ptr().cast(),
                self.len,
                present.as_mut_ptr().cast(),
            )
        };
        ensure!(done == 0, "mincore failed: {}", io::Error::last_os_error());
        Ok(present.iter().filter(|byte| **byte & 1 == 1).count())
    }

    /// Writes one byte of base page `page`: one write, so at most one fault.
    ///
    /// # Panics
    /// There is no such page.
    pub fn write(&self, page: usize, value: u8) {
        self.byte(page).store(value, Ordering::Relaxed);
    }

    /// Reads one byte of base page `page`.
    ///
    /// # Panics
    /// There is no such page.
    #[must_use]
    pub fn read(&self, page: usize) -> u8 {
        self.byte(page).load(Ordering::Relaxed)
    }

    /// Writes each page of `pages`, in order.
    pub fn write_all(&self, pages: std::ops::Range<usize>) {
        for page in pages {
            self.write(page, 1);
        }
    }

    /// Fills base page `page` with bytes that do not compress. `seed` tells one page from another.
    ///
    /// # Panics
    /// There is no such page.
    pub fn fill(&self, page: usize, seed: u64) {
        // Marsaglia's xorshift, which must not begin at 0.
        let mut number = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let first: *mut u64 = self.byte(page).as_ptr().cast();
        for word in 0..self.page / size_of::<u64>() {
            number ^= number << 13;
            number ^= number >> 7;
            number ^= number << 17;
            // SAFETY: inside a page of the mapping, which begins at a multiple of a word.
            unsafe { AtomicU64::from_ptr(first.add(word)) }.store(number, Ordering::Relaxed);
        }
    }

    fn byte(&self, page: usize) -> &AtomicU8 {
        assert!(page < self.pages(), "page {page} of {}", self.pages());
        // SAFETY: inside the mapping, which lives as long as `self`; a byte has no alignment.
        unsafe { AtomicU8::from_ptr(self.base.as_ptr().add(page * self.page)) }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        if !self.owned {
            return;
        }
        // SAFETY: nothing refers to the mapping any more. A segment attached by shmat is unmapped
        // in the same way.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
    }
}
