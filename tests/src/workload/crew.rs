//! Threads that use memory until their time is over: an access per page and pass is what a hinting fault samples.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use nix::unistd::gettid;
use serde::Serialize;

use super::memory::Region;
use super::nodes::Nodes;
use crate::counters;

/// What one worker did.
#[derive(Debug, Serialize)]
pub struct Worked {
    /// The thread.
    pub tid: u32,
    /// Times it used all pages.
    passes: u64,
    /// Time it ran until its last pass, in ns, from its `schedstat`.
    run_ns: u64,
}

/// Where and how long workers work.
#[derive(Clone, Copy, Debug)]
pub struct Shift {
    /// The node they begin on.
    pub node: u32,
    /// They may run anywhere once they have begun.
    pub free: bool,
    /// From when all have begun.
    pub length: Duration,
}

impl Shift {
    /// Uses every page of a region, again and again.
    ///
    /// # Errors
    /// When the thread cannot run on its node, or its time cannot be read.
    pub fn work(&self, nodes: &Nodes, start: &Barrier, region: &Region) -> Result<Worked> {
        let pinned = pin(nodes, self.node);
        // Passed by all, also when pinning failed: the others wait for it.
        start.wait();
        pinned?;
        if self.free {
            nodes.run_anywhere()?;
        }
        let tid = tid()?;
        let mut passes = 0;
        let end = Instant::now() + self.length;
        while Instant::now() < end {
            for page in 0..region.pages() {
                region.write(page, region.read(page).wrapping_add(1));
            }
            passes += 1;
        }
        Ok(Worked {
            tid,
            passes,
            run_ns: counters::run_ns(std::process::id(), tid)?,
        })
    }
}

/// A thread with a name that reports can be searched for.
pub fn named(name: &str) -> thread::Builder {
    thread::Builder::new().name(name.into())
}

/// What the thread returned.
///
/// # Errors
/// Its own, or that it panicked.
pub fn join<T>(thread: thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().map_err(|_| anyhow!("a thread panicked"))?
}

/// The calling thread.
///
/// # Errors
/// A negative id, which no thread has.
pub fn tid() -> Result<u32> {
    Ok(u32::try_from(gettid().as_raw())?)
}

/// Keeps the calling thread on the CPUs of a node.
///
/// # Errors
/// When the node has none, or it may not run there.
pub fn pin(nodes: &Nodes, node: u32) -> Result<()> {
    nodes
        .run_on(node)
        .map_err(|trouble| anyhow!("cannot run on node {node}: {trouble:?}"))
}
