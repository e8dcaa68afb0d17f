//! Threads that use memory for a given time: one access per page and pass, which is what a hinting
//! fault samples.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use nix::unistd::gettid;
use serde::Serialize;

use super::memory::Region;
use super::nodes::Nodes;
use crate::counters;

/// The work of one thread.
#[derive(Debug, Serialize)]
pub struct Worked {
    /// The thread's id.
    pub tid: u32,
    /// How many times it used all pages.
    passes: u64,
    /// CPU time until its last pass, in ns, from its `schedstat`.
    run_ns: u64,
}

/// The node of workers and the length of their work.
#[derive(Clone, Copy, Debug)]
pub struct Shift {
    /// The node that the workers begin on.
    pub node: u32,
    /// True if they may run anywhere once they have begun.
    pub free: bool,
    /// How long they work from the moment when all have begun.
    pub length: Duration,
}

impl Shift {
    /// Uses every page of a region, again and again.
    ///
    /// # Errors
    /// The thread cannot run on its node, or its time cannot be read.
    pub fn work(&self, nodes: &Nodes, start: &Barrier, region: &Region) -> Result<Worked> {
        let pinned = pin(nodes, self.node);
        // Every worker passes, also when pinning failed: the others wait for it.
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

/// Starts a thread with a name that a report can be searched for.
pub fn named(name: &str) -> thread::Builder {
    thread::Builder::new().name(name.into())
}

/// Returns the thread's result.
///
/// # Errors
/// The thread's own error, or its panic.
pub fn join<T>(thread: thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().map_err(|_| anyhow!("a thread panicked"))?
}

/// Returns the id of the calling thread.
///
/// # Errors
/// The id is negative, which no thread has.
pub fn tid() -> Result<u32> {
    Ok(u32::try_from(gettid().as_raw())?)
}

/// Keeps the calling thread on the CPUs of a node.
///
/// # Errors
/// The node has no CPU, or the thread may not run there.
pub fn pin(nodes: &Nodes, node: u32) -> Result<()> {
    nodes
        .run_on(node)
        .map_err(|trouble| anyhow!("cannot run on node {node}: {trouble:?}"))
}
