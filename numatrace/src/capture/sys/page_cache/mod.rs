//! The page cache of one file: base pages on each node, by asking the kernel page by page.
//!
//! mincore(2) says which pages are cached, and move_pages(2) the node of those that are mapped. So
//! cached pages, and only these, are mapped here for a moment. Nothing is read from the disk and no
//! page counts as used, but for a page that leaves the cache between the two questions: that one is
//! read in again.

mod open;
mod window;

use std::{collections::BTreeMap, fs::File, io, os::fd::AsFd, path::Path};

use nix::unistd::geteuid;

use crate::ids::NodeId;
pub use open::Refused;
use window::{Cachestat, Window};

/// Bytes that are asked for at once: their mapping and its page tables exist for a moment.
const WINDOW: u64 = 64 << 20;

/// Bytes after the end of the file at which nothing is cached: huge pages reach beyond the end, and
/// a file may grow meanwhile.
const BEYOND: u64 = 64 << 20;

/// One file's page cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CachedFile {
    /// Size of the file in bytes.
    pub size_bytes: u64,
    /// Name of its file system's type; `None` where no mount of this process has it.
    pub file_system: Option<String>,
    /// Base pages in the page cache.
    pub cached: u64,
    /// Base pages on each node that has any; `None` when nodes could not be asked.
    pub nodes: Option<BTreeMap<NodeId, u64>>,
    /// Base pages whose node the kernel did not tell: they left the cache, or the file became
    /// shorter, while they were asked for.
    pub unknown: u64,
    /// Base pages that are not on the disk yet; `None` where the kernel does not say (before 6.5),
    /// and where there is no disk.
    pub dirty: Option<u64>,
    /// Why nodes could not be asked.
    pub why: Option<String>,
}

/// Reads the page cache of the file at `path`. `page_size` is in bytes.
///
/// # Errors
/// The file cannot be opened, is no regular file, or the kernel does not tell this user.
pub fn read(path: &Path, page_size: u64) -> Result<CachedFile, Refused> {
    let (file, size_bytes) = open::open(path)?;
    let file_system = open::file_system(&file);
    let is_tmpfs = file_system.as_deref() == Some("tmpfs");
    let mut found = CachedFile {
        size_bytes,
        file_system,
        nodes: Some(BTreeMap::new()),
        ..CachedFile::default()
    };
    if found.file_system.as_deref() == Some("hugetlbfs") {
        let bytes = open::allocated(&file).map_err(Refused::System)?;
        found.cached = bytes / page_size;
        found.unknown = found.cached;
        found.nodes = None;
        found.why = Some(
            "hugetlbfs: to ask for the nodes of its huge pages could take new ones; \
             numatrace stat -p PID has them by process"
                .to_owned(),
        );
        return Ok(found);
    }
    if size_bytes == 0 {
        return Ok(found);
    }
    if !is_told(&file, size_bytes, page_size)? {
        return Err(Refused::NotTold);
    }
    let whole = window::cachestat(file.as_fd(), 0..size_bytes);
    found.dirty = whole.filter(|_| !is_tmpfs).map(Cachestat::not_on_disk);
    let mut windows = Windows {
        file: &file,
        size: size_bytes,
        page_size,
        skips: whole.is_some(),
    };
    windows.add_to(&mut found).map_err(Refused::System)?;
    if found.nodes.is_none() {
        found.unknown = found.cached;
    }
    Ok(found)
}

/// Returns whether mincore(2) tells this user the truth. To others than the file's owner, writers
/// and root it says of each page that it is cached, even of those beyond the end.
fn is_told(file: &File, size: u64, page_size: u64) -> Result<bool, Refused> {
    let beyond = size.next_multiple_of(BEYOND).saturating_add(BEYOND);
    let window = match Window::map(file.as_fd(), beyond, page_size) {
        // The largest file that its file system can have.
        Err(error) if error.raw_os_error() == Some(libc::EOVERFLOW) => {
            return Ok(geteuid().is_root());
        }
        mapped => mapped.map_err(Refused::mapping)?,
    };
    let mut cached = Vec::new();
    window
        .cached(page_size, &mut cached)
        .map_err(Refused::System)?;
    Ok(cached.iter().all(|is_cached| !is_cached))
}

/// The file, one window after the other.
struct Windows<'a> {
    file: &'a File,
    size: u64,
    page_size: u64,
    /// The kernel has cachestat(2), by which whole parts without pages are skipped.
    skips: bool,
}

impl Windows<'_> {
    fn add_to(&mut self, found: &mut CachedFile) -> io::Result<()> {
        let (mut offset, mut step) = (0, WINDOW);
        while offset < self.size {
            let end = offset.saturating_add(step).min(self.size);
            if self.skips {
                let part = window::cachestat(self.file.as_fd(), offset..end);
                if part.is_some_and(Cachestat::is_empty) {
                    (offset, step) = (end, step.saturating_mul(2));
                    continue;
                }
                if step > WINDOW {
                    step = (step / 4).max(WINDOW);
                    continue;
                }
            }
            self.window(offset, end - offset, found)?;
            offset = end;
        }
        Ok(())
    }

    fn window(&self, offset: u64, bytes: u64, found: &mut CachedFile) -> io::Result<()> {
        let window = Window::map(self.file.as_fd(), offset, bytes)?;
        let mut cached = Vec::new();
        window.cached(self.page_size, &mut cached)?;
        let pages: Vec<usize> = (0..cached.len()).filter(|page| cached[*page]).collect();
        found.cached += count(pages.len());
        let Some(nodes) = &mut found.nodes else {
            return Ok(());
        };
        for run in pages.chunk_by(|a, b| a + 1 == *b) {
            // A page that cannot be mapped has no node below, and is counted there.
            window.touch(run, self.page_size);
        }
        match window.nodes(&pages, self.page_size) {
            Ok(asked) => {
                for node in asked {
                    match node {
                        Some(node) => *nodes.entry(node).or_default() += 1,
                        None => found.unknown += 1,
                    }
                }
            }
            Err(error) => {
                found.nodes = None;
                found.why = Some(match error.raw_os_error() {
                    Some(libc::ENOSYS) => "this kernel has no NUMA support".to_owned(),
                    Some(libc::EPERM) => {
                        "move_pages(2) is not permitted here: a container needs CAP_SYS_NICE"
                            .to_owned()
                    }
                    _ => format!("move_pages(2): {error}"),
                });
            }
        }
        Ok(())
    }
}

fn count(pages: usize) -> u64 {
    u64::try_from(pages).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
