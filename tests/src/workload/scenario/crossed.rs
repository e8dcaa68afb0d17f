//! `crossed`: two busy nodes whose threads use each other's memory. The memory stays, so the
//! balancer can only exchange the threads.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};

use crate::workload::crew::{Shift, Worked, join, named};
use crate::workload::memory::Region;
use crate::workload::policy::{self, Mode};
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The two nodes
    #[arg(long, value_delimiter = ',')]
    nodes: Vec<u32>,
    /// Base pages on each
    #[arg(long)]
    pages: usize,
    /// Seconds of use
    #[arg(long)]
    secs: u64,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let [a, b] = args.nodes[..] else {
        return Err(anyhow!("two nodes, not {}", args.nodes.len()).into());
    };
    let mut truth = scene.begin("crossed")?;
    let mut gangs = Vec::new();
    for (home, away) in [(a, b), (b, a)] {
        scene.nodes.memory(home)?;
        let region = Region::anonymous(args.pages)?;
        policy::set(&region, Mode::BindScanned, &[home])?;
        scene.nodes.run_on(home)?;
        region.write_all(0..region.pages());
        let found = scene.prober.region(&region, 0..args.pages)?;
        truth.touched(home, &found);
        truth.expect_all_on("after the first touch", home, args.pages, &found);
        truth.span("region", &region);
        let shift = Shift {
            node: away,
            free: true,
            length: Duration::from_secs(args.secs),
        };
        gangs.push((region, shift));
    }

    // A thread for each CPU: a node without an idle CPU takes a thread in only in exchange.
    let nodes = &scene.nodes;
    let threads = gangs
        .iter()
        .map(|(_, shift)| nodes.cpus(shift.node).len())
        .sum();
    let start = Barrier::new(threads);
    let start = &start;
    let crew = thread::scope(|scope| -> Result<Vec<Worked>> {
        let mut workers = Vec::new();
        for (region, shift) in &gangs {
            for _ in nodes.cpus(shift.node) {
                let work = move || shift.work(nodes, start, region);
                workers.push(named("worker").spawn_scoped(scope, work)?);
            }
        }
        workers.into_iter().map(join).collect()
    })?;
    Scene::end(&mut truth)?;
    truth.tids.extend(crew.iter().map(|worker| worker.tid));
    truth.detail("workers", serde_json::to_value(crew)?);
    Ok(truth)
}
