//! `hugetlb-empty`: a child maps huge pages, binds them to a node, and writes them. Where the pool
//! of that node has too few, it gets SIGBUS; where all pools together have too few, ENOMEM.

use anyhow::{Context, Result};
use nix::sys::signal::{SigHandler, Signal, signal};
use serde_json::json;

use super::hugetlb::{Pool, default_size};
use crate::workload::memory::{Region, page_size};
use crate::workload::policy::{self, Mode};
use crate::workload::processes::Helper;
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Node that the memory is bound to
    #[arg(long)]
    node: u32,
    /// Huge pages in the pool of that node [default: as many as there are]
    #[arg(long)]
    pool: Option<u64>,
    /// Another node
    #[arg(long)]
    other: u32,
    /// Huge pages in the pool of the other node [default: as many as there are]
    #[arg(long)]
    other_pool: Option<u64>,
    /// Huge pages that are mapped and written
    #[arg(long)]
    count: usize,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let node = scene.nodes.memory(args.node)?;
    let other = scene.nodes.memory(args.other)?;
    let huge = default_size()?;
    let fill = |node, pages: Option<u64>| pages.map(|pages| filled(node, pages, huge)).transpose();
    let _pool = fill(node, args.pool)?;
    let _other = fill(other, args.other_pool)?;

    let mut truth = scene.begin("hugetlb-empty")?;
    let helper = Helper::fork(|| write(args, huge))?;
    let pid = helper.pid()?;
    let signal = helper.end()?;
    Scene::end(&mut truth)?;
    truth.detail("child", pid);
    truth.detail("page_kb", (huge >> 10) as u64);
    truth.detail("signal", signal.map_or(json!(null), |signal| json!(signal)));
    Ok(truth)
}

/// A pool of so many pages; it is set back when it is dropped.
fn filled(node: u32, pages: u64, huge: usize) -> Result<Pool, Trouble> {
    let pool = Pool::open(node, huge)?;
    pool.resize(pages)?;
    let size = pool.size()?;
    if size == pages {
        return Ok(pool);
    }
    Err(Trouble::Unsupported(format!(
        "node {node} has room for {size} huge pages, not {pages}"
    )))
}

/// The child's part. A mapping that is refused ends it with an error.
fn write(args: &Args, huge: usize) -> Result<(), Trouble> {
    let Ok(region) = Region::hugetlb(huge * args.count) else {
        return Ok(());
    };
    policy::set(&region, Mode::Bind, &[args.node])?;
    // Rust's own handler returns from the first SIGBUS, so the page would be asked for twice.
    // SAFETY: the default action needs no handler.
    unsafe { signal(Signal::SIGBUS, SigHandler::SigDfl) }.context("cannot reset SIGBUS")?;
    for page in 0..args.count {
        region.write(page * (huge / page_size()), 1);
    }
    Ok(())
}
