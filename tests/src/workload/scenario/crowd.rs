//! `crowd`: more threads than one node has CPUs, begun on that node and then let go, so that the
//! scheduler spreads them.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use nix::unistd::gettid;

use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Threads that compute
    #[arg(long)]
    threads: usize,
    /// Node they begin on
    #[arg(long)]
    node: u32,
    /// How long each computes, in ms
    #[arg(long)]
    ms: u64,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    scene.nodes.run_on(args.node)?;
    let mut truth = scene.begin("crowd")?;
    let nodes = &scene.nodes;
    let compute = || -> Result<u32> {
        // The mask is inherited; from here on any CPU will do.
        nodes.run_anywhere()?;
        let begun = Instant::now();
        let mut number = 1u64;
        while begun.elapsed() < Duration::from_millis(args.ms) {
            for _ in 0..10_000 {
                number = black_box(number.wrapping_mul(6_364_136_223_846_793_005));
            }
        }
        Ok(u32::try_from(gettid().as_raw())?)
    };
    let tids = thread::scope(|scope| -> Result<Vec<u32>> {
        let threads: Vec<_> = (0..args.threads).map(|_| scope.spawn(compute)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
            .collect()
    })?;
    Scene::end(&mut truth)?;
    truth.tids = tids;
    Ok(truth)
}
