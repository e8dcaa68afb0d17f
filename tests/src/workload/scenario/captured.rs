//! `captured`: more huge pages than a node has blocks for. The thread that faults compacts memory
//! for the others itself, and mostly gets the blocks that it frees.

use anyhow::Context;

use super::in_pieces::{HUGE, RESERVE, prepare, with_holes};
use super::thp::{huge_bytes, huge_size};
use crate::counters;
use crate::workload::memory::{Region, page_size};
use crate::workload::policy::{self, Mode};
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Node whose memory it is
    #[arg(long)]
    node: u32,
    /// Huge pages besides those that there are blocks for
    #[arg(long)]
    count: usize,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let node = scene.nodes.memory(args.node)?;
    scene.nodes.run_on(node)?;
    let huge = huge_size()?;
    let filler = prepare(node)?;
    with_holes(&filler)?;
    let count = RESERVE / HUGE + args.count;
    let region = Region::anonymous((count + 1) * HUGE)?;
    region.advise(libc::MADV_HUGEPAGE)?;
    policy::set(&region, Mode::Bind, &[node])?;
    let first = (region.start().next_multiple_of(huge) - region.start()) / page_size();

    let before = counters::vmstat()?;
    let mut truth = scene.begin("captured")?;
    for at in 0..count {
        region.write(first + at * HUGE, 1);
    }
    Scene::end(&mut truth)?;
    let grown = counters::growth(&before, &counters::vmstat()?);
    let backed = huge_bytes(region.start()..region.start() + region.len())?;
    truth.span("region", &region);
    truth.detail("huge_pages", backed / huge);
    let compacted = grown.get("compact_success").copied();
    let compacted = compacted.context("no compact_success in /proc/vmstat")?;
    truth.detail("compactions", compacted);
    drop(filler);
    Ok(truth)
}
