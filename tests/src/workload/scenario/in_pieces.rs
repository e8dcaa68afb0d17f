//! `in-pieces`: keeps the free memory of a node in single pages, until stdin closes: there is much,
//! and no block for a huge page.

use std::io::Read;

use anyhow::{Context, Result, ensure};

use crate::counters;
use crate::workload::memory::{Region, drop_caches, page_size};
use crate::workload::policy::{self, Mode};
use crate::workload::print;
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Node whose memory it is
    #[arg(long)]
    node: u32,
}

/// Memory that stays free while it is filled, so that nobody has to reclaim: 96 MiB.
pub(super) const RESERVE: usize = (96 << 20) / 4096;

/// Base pages of a huge page of x86.
pub(super) const HUGE: usize = 512;

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let node = scene.nodes.memory(args.node)?;
    scene.nodes.run_on(node)?;
    let region = prepare(node)?;
    let mut truth = scene.begin("in-pieces")?;
    with_holes(&region)?;
    let whole = take_blocks(node)?;
    Scene::end(&mut truth)?;
    truth.detail("node", node);
    truth.detail("kept_pages", region.pages() / 2);
    truth.detail("free_pages", free_pages(node)?);
    print(&truth)?;
    truth.is_printed = true;
    std::io::stdin().lock().read_to_end(&mut Vec::new())?;
    drop((region, whole));
    Ok(truth)
}

/// Returns a region for the free memory of a node but for the reserve.
pub(super) fn prepare(node: u32) -> Result<Region, Trouble> {
    drop_caches();
    let free = usize::try_from(free_pages(node)?).context("the node is too large")?;
    let region = Region::anonymous(free.saturating_sub(RESERVE) & !1)?;
    region.without_huge_pages()?;
    policy::set(&region, Mode::Bind, &[node])?;
    Ok(region)
}

/// Writes a region, and gives every other page back.
pub(super) fn with_holes(region: &Region) -> Result<()> {
    region.write_all(0..region.pages());
    for page in (1..region.pages()).step_by(2) {
        region.drop_page(page)?;
    }
    Ok(())
}

/// Takes the blocks that are large enough for huge pages: of the reserve, and as many more as there
/// may be. For those that there are not it takes one page each.
fn take_blocks(node: u32) -> Result<Region, Trouble> {
    let count = 2 * RESERVE / HUGE + 1;
    let blocks = Region::anonymous(count * HUGE)?;
    blocks.advise(libc::MADV_HUGEPAGE)?;
    policy::set(&blocks, Mode::Bind, &[node])?;
    let huge = HUGE * page_size();
    let first = (blocks.start().next_multiple_of(huge) - blocks.start()) / page_size();
    for block in 0..count - 1 {
        blocks.write(first + block * HUGE, 1);
    }
    Ok(blocks)
}

/// Returns the free base pages of a node, from its `vmstat`.
fn free_pages(node: u32) -> Result<u64> {
    let path = format!("/sys/devices/system/node/node{node}/vmstat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    ensure!(
        page_size() == 4096,
        "in-pieces assumes base pages of 4096 bytes"
    );
    let counters = counters::parse(&text);
    let free = counters.get("nr_free_pages").copied();
    free.with_context(|| format!("no nr_free_pages in {path}"))
}
