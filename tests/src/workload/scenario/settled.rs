//! `settled`: a process that has its memory on one node before the measured part begins, and then
//! works on it from another node. Nothing moves meanwhile.

use std::time::{Duration, Instant};

use crate::workload::memory::{Region, page_size};
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Memory, in MiB
    #[arg(long)]
    mib: usize,
    /// Node of the memory
    #[arg(long)]
    node: u32,
    /// Node it works on
    #[arg(long)]
    cpu_node: u32,
    /// Stay bound to that node; without this option it may run anywhere by then
    #[arg(long)]
    bound: bool,
    /// Time to work, in ms
    #[arg(long, default_value_t = 2000)]
    ms: u64,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    scene.nodes.run_on(args.node)?;
    let region = Region::anonymous((args.mib << 20) / page_size())?;
    region.write_all(0..region.pages());
    scene.nodes.run_on(args.cpu_node)?;
    if !args.bound {
        scene.nodes.run_anywhere()?;
    }

    let mut truth = scene.begin("settled")?;
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(args.ms) {
        region.write_all(0..region.pages());
    }
    Scene::end(&mut truth)?;
    let found = scene.prober.region(&region, 0..region.pages())?;
    let there = truth.nodes.iter().zip(&found.per_node);
    let there = there.filter(|(node, _)| **node == args.node);
    let there: u64 = there.map(|(_, pages)| *pages).sum();
    truth.expect(there == region.pages() as u64, || {
        format!(
            "{there} of {} pages stayed on node {}",
            region.pages(),
            args.node
        )
    });
    truth.detail("pages", region.pages());
    truth.detail("ended_on", scene.nodes.here()?);
    Ok(truth)
}
