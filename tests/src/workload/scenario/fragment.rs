//! `fragment`: memory with a hole behind every page, and then a request to the kernel to compact
//! it.

use std::fs;

use anyhow::Context;

use crate::counters;
use crate::workload::memory::Region;
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Memory, in base pages, of which every other stays
    #[arg(long)]
    pages: usize,
    /// Node it lies on
    #[arg(long)]
    node: u32,
}

/// Any value written to this knob compacts all zones.
const COMPACT: &str = "/proc/sys/vm/compact_memory";

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    scene.nodes.memory(args.node)?;
    scene.nodes.run_on(args.node)?;
    if !std::path::Path::new(COMPACT).exists() {
        return Err(Trouble::Unsupported(
            "the kernel has no vm.compact_memory (CONFIG_COMPACTION)".to_owned(),
        ));
    }
    let region = Region::anonymous(args.pages)?;
    let mut truth = scene.begin("fragment")?;
    region.write_all(0..args.pages);
    for page in (1..args.pages).step_by(2) {
        region.drop_page(page)?;
    }
    let before = counters::vmstat()?;
    fs::write(COMPACT, "1").context("cannot ask for compaction")?;
    Scene::end(&mut truth)?;
    let grown = counters::growth(&before, &counters::vmstat()?);
    for counter in ["pgmigrate_success", "pgmigrate_fail"] {
        truth.detail(counter, grown.get(counter).copied().unwrap_or(0));
    }
    // Compaction decides where the pages come to lie.
    drop(region);
    Ok(truth)
}
