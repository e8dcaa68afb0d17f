//! Asks the kernel where pages lie, by `move_pages(2)` without moving anything, and moves them with
//! the same call.

use std::io;
use std::ops::Range;

use anyhow::{Context, Result, ensure};

use super::memory::{Region, page_size};
use super::nodes::Nodes;
use super::trouble::Trouble;

/// Pages per call. The kernel copies smaller pieces at a time, and the buffers cost three pages.
const CHUNK: usize = 1024;
/// How often marked pages are read: the next scan is at least tens of milliseconds away, so the
/// second time nearly always sees all.
const RETRIES: usize = 5;
/// `MPOL_MF_MOVE`: move pages that only this process maps.
const MOVE_OWN: i32 = 2;

/// How many pages lie on each node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// Base pages per online node.
    pub per_node: Vec<u64>,
    /// Addresses without a page (never touched, the zero page, or in swap).
    pub absent: u64,
}

impl Placement {
    /// Returns how many pages are somewhere.
    #[must_use]
    pub fn present(&self) -> u64 {
        self.per_node.iter().sum()
    }
}

/// Asks for placements. The buffers are made and touched beforehand, so that asking allocates
/// nothing in the process.
#[derive(Debug)]
pub struct Prober {
    nodes: Vec<u32>,
    addresses: Vec<usize>,
    status: Vec<i32>,
    targets: Vec<i32>,
}

impl Prober {
    /// Returns a prober for the machine's nodes.
    #[must_use]
    pub fn new(nodes: &Nodes) -> Self {
        // Filled with non-zero values, or the allocator would hand out untouched memory.
        Self {
            nodes: nodes.online().to_vec(),
            addresses: vec![1; CHUNK],
            status: vec![-1; CHUNK],
            targets: vec![-1; CHUNK],
        }
    }

    /// Returns where the pages `range` of `region` lie; all of them must have been written.
    ///
    /// Until 6.6 a page that the balancer has just marked for a hint fault looks absent to
    /// `move_pages(2)`. Reading it removes the mark.
    ///
    /// # Errors
    /// [`Trouble::Unsupported`] without `move_pages(2)`.
    pub fn region(&mut self, region: &Region, range: Range<usize>) -> Result<Placement, Trouble> {
        let start = region.start() + range.start * page_size();
        let mut found = self.pages(0, start, range.len())?;
        for _ in 0..RETRIES {
            if found.absent == 0 {
                break;
            }
            for page in range.clone() {
                let _ = region.read(page);
            }
            found = self.pages(0, start, range.len())?;
        }
        Ok(found)
    }

    /// Returns where `count` base pages from address `start` of process `pid` lie; pid 0 is this
    /// process.
    ///
    /// # Errors
    /// [`Trouble::Unsupported`] without `move_pages(2)`; a failure when the process may not be
    /// asked.
    pub fn pages(&mut self, pid: i32, start: usize, count: usize) -> Result<Placement, Trouble> {
        let mut found = Placement {
            per_node: vec![0; self.nodes.len()],
            absent: 0,
        };
        self.chunks(
            pid,
            start,
            count,
            None,
            |nodes, status| match u32::try_from(status) {
                Ok(node) => {
                    let at = nodes
                        .iter()
                        .position(|&online| online == node)
                        .with_context(|| {
                            format!("a page lies on node {node}, which is not online")
                        })?;
                    found.per_node[at] += 1;
                    Ok(())
                }
                Err(_) => {
                    found.absent += 1;
                    Ok(())
                }
            },
        )?;
        Ok(found)
    }

    /// Moves `count` base pages from address `start` of process `pid` (0: this process) to `node`.
    /// Returns how many are there now, as the kernel says.
    ///
    /// # Errors
    /// As [`Prober::pages`].
    pub fn move_to(
        &mut self,
        pid: i32,
        start: usize,
        count: usize,
        node: u32,
    ) -> Result<u64, Trouble> {
        let mut moved = 0;
        self.chunks(pid, start, count, Some(node), |_, status| {
            moved += u64::from(u32::try_from(status) == Ok(node));
            Ok(())
        })?;
        Ok(moved)
    }

    fn chunks(
        &mut self,
        pid: i32,
        start: usize,
        count: usize,
        to: Option<u32>,
        mut each: impl FnMut(&[u32], i32) -> Result<()>,
    ) -> Result<(), Trouble> {
        let page = page_size();
        if let Some(node) = to {
            self.targets.fill(i32::try_from(node)?);
        }
        for first in (0..count).step_by(CHUNK) {
            let n = CHUNK.min(count - first);
            for (i, address) in self.addresses[..n].iter_mut().enumerate() {
                *address = start + (first + i) * page;
            }
            let targets = if to.is_some() {
                self.targets.as_ptr()
            } else {
                std::ptr::null()
            };
            // SAFETY: the three arrays have at least `n` entries and outlive the call; the
            // addresses are only looked up.
            let done = unsafe {
                libc::syscall(
                    libc::SYS_move_pages,
                    pid,
                    n,
                    self.addresses.as_ptr(),
                    targets,
                    self.status.as_mut_ptr(),
                    MOVE_OWN,
                )
            };
            if done < 0 {
                let error = io::Error::last_os_error();
                if error.raw_os_error() == Some(libc::ENOSYS) {
                    return Err(Trouble::Unsupported(
                        "the kernel has no move_pages(2) (CONFIG_MIGRATION)".into(),
                    ));
                }
                return Err(anyhow::anyhow!("move_pages of process {pid}: {error}").into());
            }
            for &status in &self.status[..n] {
                each(&self.nodes, status)?;
            }
        }
        Ok(())
    }
}

/// Returns the address range of the `[stack]` or `[heap]` mapping, from `/proc/self/maps`.
///
/// # Errors
/// There is no mapping of that name.
pub fn mapping_named(name: &str) -> Result<Range<usize>> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let line = maps
        .lines()
        .find(|line| line.ends_with(name))
        .with_context(|| format!("no {name} in /proc/self/maps"))?;
    let (start, end) = line
        .split_whitespace()
        .next()
        .and_then(|range| range.split_once('-'))
        .context("no range in /proc/self/maps")?;
    let range = usize::from_str_radix(start, 16)?..usize::from_str_radix(end, 16)?;
    ensure!(range.start < range.end, "{name} is empty");
    Ok(range)
}
