//! `dispatched`: more threads than CPUs under a scheduler of sched_ext, which takes them from one
//! queue for all CPUs. No thread chooses a CPU.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::workload::crew::tid;
use crate::workload::ext_scheduler::ExtScheduler;
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Threads
    #[arg(long)]
    threads: usize,
    /// How long they compute, in ms
    #[arg(long)]
    ms: u64,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let scheduler = ExtScheduler::register()?;
    let mut truth = scene.begin("dispatched")?;
    let end = Instant::now() + Duration::from_millis(args.ms);
    let tids = thread::scope(|scope| -> Result<Vec<u32>> {
        let threads: Vec<_> = (0..args.threads)
            .map(|_| scope.spawn(move || compute(end)))
            .collect();
        let tids = threads.into_iter();
        tids.map(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
            .collect()
    })?;
    Scene::end(&mut truth)?;
    let state = std::fs::read_to_string("/sys/kernel/sched_ext/state").unwrap_or_default();
    truth.expect(state.trim() == "enabled", || {
        format!("the scheduler is {:?}", state.trim())
    });
    drop(scheduler);
    truth.tids = tids;
    Ok(truth)
}

fn compute(end: Instant) -> Result<u32> {
    let mut number = 1u64;
    while Instant::now() < end {
        number = black_box(number.wrapping_mul(6_364_136_223_846_793_005));
    }
    tid()
}
