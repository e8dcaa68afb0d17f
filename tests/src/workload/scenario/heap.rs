//! `heap`: moves the program break up by brk(2) and writes the pages that it gains.

use std::io;

use anyhow::{Context, Result};

use crate::workload::memory::{Region, page_size};
use crate::workload::scene::Scene;
use crate::workload::trouble::{Trouble, check};
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Base pages
    #[arg(long)]
    pages: usize,
    /// Run on a CPU of this node [default: wherever it started]
    #[arg(long)]
    cpu_node: Option<u32>,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let task_node = args.cpu_node.map_or_else(|| scene.nodes.here(), Ok)?;
    scene.nodes.run_on(task_node)?;

    let mut truth = scene.begin("heap")?;
    let page = page_size();
    let old = set_break(0)?;
    let start = old.next_multiple_of(page);
    let end = start + args.pages * page;
    check(set_break(end)? == end, || {
        format!(
            "the break cannot grow by {} pages: {}",
            args.pages,
            io::Error::last_os_error()
        )
    })?;
    let region = Region::borrowed(start, args.pages)?;
    region.without_huge_pages()?;
    region.write_all(0..args.pages);
    Scene::end(&mut truth)?;

    // The allocator may use the break as well. Nothing was allocated since it moved; it stays
    // moved, because the next steps allocate.
    let found = scene.prober.region(&region, 0..args.pages)?;
    truth.touched(task_node, &found);
    truth.span("heap", &region);
    truth.expect_present(args.pages, &found);
    truth.detail("task_node", task_node);
    Ok(truth)
}

/// Asks for a new program break (0: asks for none) and returns the one in force.
pub(super) fn set_break(to: usize) -> Result<usize> {
    // SAFETY: the break only grows, so no memory goes away; allocators notice that it moved and
    // begin anew.
    let now = unsafe { libc::syscall(libc::SYS_brk, to) };
    usize::try_from(now).context("brk")
}
