//! `own-parts`: workers on several nodes, each touching first the memory that it uses afterwards:
//! the good case.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use nix::unistd::gettid;

use crate::workload::memory::Region;
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Nodes with a worker each
    #[arg(long, value_delimiter = ',')]
    nodes: Vec<u32>,
    /// Base pages of each worker, side by side
    #[arg(long)]
    pages: usize,
    /// Seconds of use
    #[arg(long)]
    secs: u64,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    for node in &args.nodes {
        scene.nodes.memory(*node)?;
    }
    let region = Region::anonymous(args.pages * args.nodes.len())?;
    let nodes = &scene.nodes;
    let mut truth = scene.begin("own-parts")?;
    let work = |index: usize, node: u32| -> Result<u32> {
        nodes
            .run_on(node)
            .map_err(|trouble| anyhow!("cannot run on node {node}: {trouble:?}"))?;
        let part = index * args.pages..(index + 1) * args.pages;
        region.write_all(part.clone());
        let end = Instant::now() + Duration::from_secs(args.secs);
        while Instant::now() < end {
            for page in part.clone() {
                region.write(page, region.read(page).wrapping_add(1));
            }
        }
        Ok(u32::try_from(gettid().as_raw())?)
    };
    let tids = thread::scope(|scope| -> Result<Vec<u32>> {
        let work = &work;
        let workers: Vec<_> = args
            .nodes
            .iter()
            .enumerate()
            .map(|(index, node)| scope.spawn(move || work(index, *node)))
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().map_err(|_| anyhow!("a thread panicked"))?)
            .collect()
    })?;
    Scene::end(&mut truth)?;
    for (index, node) in args.nodes.iter().enumerate() {
        let part = index * args.pages..(index + 1) * args.pages;
        let found = scene.prober.region(&region, part)?;
        truth.touched(*node, &found);
    }
    truth.span("region", &region);
    truth.tids.extend(tids);
    Ok(truth)
}
