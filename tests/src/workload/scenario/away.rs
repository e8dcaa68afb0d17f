//! `away`: a task touches memory on one node, is sent to a different one, uses its memory from
//! there, moves a part of it along, and is sent back.

use std::time::{Duration, Instant};

use crate::counters;
use crate::workload::memory::{Region, page_size};
use crate::workload::policy::{self, Mode};
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Memory, in MiB
    #[arg(long)]
    mib: usize,
    /// The part of it that is moved along, in MiB
    #[arg(long, default_value_t = 0)]
    follow_mib: usize,
    /// Node of the memory
    #[arg(long)]
    node: u32,
    /// Node the task is sent to
    #[arg(long)]
    to: u32,
    /// Leave the memory to the NUMA balancer, which then samples its use and may move it
    #[arg(long)]
    unbound: bool,
    /// CPU time to spend there, in ms
    #[arg(long, default_value_t = 200)]
    ms: u64,
    /// Have the memory before the measured part begins
    #[arg(long)]
    early: bool,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    if args.follow_mib > args.mib {
        return Err(Trouble::Unsupported(
            "no more can follow than there is".to_owned(),
        ));
    }
    scene.nodes.run_on(args.node)?;
    let region = Region::anonymous((args.mib << 20) / page_size())?;
    // Bound, so that the balancer leaves the pages alone; an explicit move does not ask the policy.
    if !args.unbound {
        policy::set(&region, Mode::Bind, &[args.node])?;
    }
    if args.early {
        region.write_all(0..region.pages());
    }
    let mut truth = scene.begin("away")?;
    if !args.early {
        region.write_all(0..region.pages());
    }
    let found = scene.prober.region(&region, 0..region.pages())?;
    if !args.early {
        truth.touched(args.node, &found);
    }

    let before = counters::vmstat()?;
    scene.nodes.run_on(args.to)?;
    let left = Instant::now();
    let follow = (args.follow_mib << 20) / page_size();
    if follow > 0 {
        scene.prober.move_to(0, region.start(), follow, args.to)?;
    }
    while left.elapsed() < Duration::from_millis(args.ms) {
        region.write_all(0..region.pages());
    }
    let away = left.elapsed();
    // Asked from here: read from home, pages that the balancer has marked would come back.
    let there = scene.prober.region(&region, 0..region.pages())?;
    let followed = truth
        .nodes
        .iter()
        .zip(&there.per_node)
        .find(|(node, _)| **node == args.to)
        .map_or(0, |(_, pages)| *pages);
    // Read after the return, so that everything the balancer counted meanwhile is in it.
    scene.nodes.run_on(args.node)?;
    let grown = counters::growth(&before, &counters::vmstat()?);
    Scene::end(&mut truth)?;

    truth.detail("pages", region.pages());
    truth.detail("followed", followed);
    let faults = grown.get("numa_hint_faults").copied();
    truth.detail("numa_hint_faults", faults.unwrap_or(0));
    truth.detail(
        "away_ms",
        u64::try_from(away.as_millis()).unwrap_or(u64::MAX),
    );
    Ok(truth)
}
