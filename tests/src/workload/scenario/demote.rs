//! `demote`: more memory than a node has, bound to it, on a machine whose kernel demotes cold pages
//! to slow memory instead of killing for memory.

use std::fs;
use std::path::Path;

use anyhow::Context;

use crate::counters;
use crate::workload::memory::{Region, page_size};
use crate::workload::policy::{self, Mode};
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Node that is to overflow
    #[arg(long)]
    node: u32,
    /// How much more than its free memory, in MiB
    #[arg(long)]
    mib: u64,
}

/// A folder with an entry for each kind of memory that the kernel tells apart by its speed.
const TIERS: &str = "/sys/devices/virtual/memory_tiering";

/// The switch of demotion: cold pages go to slow memory when room is wanted.
const KNOB: &str = "/sys/kernel/mm/numa/demotion_enabled";

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    scene.nodes.memory(args.node)?;
    let slow = |node: &&u32| scene.nodes.cpus(**node).is_empty();
    if scene.nodes.with_memory().iter().find(slow).is_none() || !Path::new(KNOB).exists() {
        return Err(Trouble::Unsupported(
            "no node of memory only, or a kernel that does not demote".to_owned(),
        ));
    }
    // Without a node to demote to, the kernel would kill for memory in the next step.
    if tiers()? < 2 {
        return Err(Trouble::Unsupported(
            "this kernel takes all memory for equally fast: before 6.11 it does not read speeds \
             from the firmware"
                .to_owned(),
        ));
    }
    scene.nodes.run_on(args.node)?;
    let pages =
        (free_kb(args.node)? << 10) / page_size() as u64 + (args.mib << 20) / page_size() as u64;
    let region = Region::anonymous(usize::try_from(pages).context("more than fits")?)?;
    policy::set(&region, Mode::Bind, &[args.node])?;
    let old = fs::read_to_string(KNOB).context("cannot read whether it demotes")?;
    fs::write(KNOB, "1").context("cannot have it demote")?;
    let mut truth = scene.begin("demote")?;
    let before = counters::vmstat()?;
    region.write_all(0..region.pages());
    let grown = counters::growth(&before, &counters::vmstat()?);
    Scene::end(&mut truth)?;
    fs::write(KNOB, old.trim()).context("cannot set it back")?;
    // The kernel counts demotions by kswapd, by the task that wanted memory, and by others apart.
    let demoted: u64 = grown
        .iter()
        .filter(|(name, _)| name.starts_with("pgdemote_"))
        .map(|(_, pages)| pages)
        .sum();
    if demoted == 0 {
        return Err(Trouble::Unsupported(
            "nothing was demoted: the firmware does not say that the memory is slow".to_owned(),
        ));
    }
    truth.detail("demoted", demoted);
    truth.detail("pages_written", region.pages());
    Ok(truth)
}

/// Returns how many kinds of memory the kernel tells apart.
fn tiers() -> anyhow::Result<usize> {
    let entries = fs::read_dir(TIERS).with_context(|| format!("cannot read {TIERS}"))?;
    let names = entries.flatten().map(|entry| entry.file_name());
    Ok(names
        .filter(|name| name.to_string_lossy().starts_with("memory_tier"))
        .count())
}

/// Returns the free memory of a node, in KiB.
fn free_kb(node: u32) -> anyhow::Result<u64> {
    let path = format!("/sys/devices/system/node/node{node}/meminfo");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let line = text.lines().find(|line| line.contains("MemFree:"));
    let number = line.and_then(|line| line.split_whitespace().nth(3));
    let number = number.with_context(|| format!("no MemFree in {path}"))?;
    Ok(number.parse()?)
}
