//! `rounds`: threads that compute for different lengths, and begin again together. No thread
//! chooses a CPU: one that has nothing to do pulls a thread that waits for a busy one.

use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::workload::crew::tid;
use crate::workload::memory::Region;
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Threads
    #[arg(long)]
    threads: u32,
    /// Computing of the first thread in a round, in µs; the second has twice as much, and so on
    #[arg(long)]
    us: u64,
    /// How long rounds begin, in ms
    #[arg(long)]
    ms: u64,
    /// Pages of its own that each thread writes before the first round
    #[arg(long, default_value_t = 0)]
    pages: usize,
    /// Pages that all threads read while they compute; the main thread writes them before
    #[arg(long, default_value_t = 0)]
    shared: usize,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let mut truth = scene.begin("rounds")?;
    let length = Duration::from_millis(args.ms);
    let all = usize::try_from(args.threads).map_err(anyhow::Error::from)?;
    let (start, is_over) = (&Barrier::new(all), &AtomicBool::new(false));
    let shared = touched(args.shared)?;
    let shared = shared.as_ref();
    let begun = Instant::now();
    let member = |work: Duration| -> Result<u32> {
        let _own = touched(args.pages)?;
        loop {
            compute(work, shared);
            if start.wait().is_leader() {
                is_over.store(begun.elapsed() >= length, Ordering::Relaxed);
            }
            start.wait();
            if is_over.load(Ordering::Relaxed) {
                return tid();
            }
        }
    };
    let tids = thread::scope(|scope| -> Result<Vec<u32>> {
        let works = (1..=args.threads).map(|number| Duration::from_micros(args.us) * number);
        let threads: Vec<_> = works
            .map(|work| scope.spawn(move || member(work)))
            .collect();
        let threads = threads.into_iter();
        threads
            .map(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
            .collect()
    })?;
    Scene::end(&mut truth)?;
    truth.tids = tids;
    Ok(truth)
}

/// Returns so many pages that this thread wrote, if any.
fn touched(pages: usize) -> Result<Option<Region>> {
    if pages == 0 {
        return Ok(None);
    }
    let region = Region::anonymous(pages)?;
    region.write_all(0..pages);
    Ok(Some(region))
}

/// Computes for a while, and reads the pages of `shared` in turn.
fn compute(work: Duration, shared: Option<&Region>) {
    let begun = Instant::now();
    let mut number = 1u64;
    let mut page = 0;
    while begun.elapsed() < work {
        number = black_box(number.wrapping_mul(6_364_136_223_846_793_005));
        if let Some(shared) = shared {
            number ^= u64::from(black_box(shared.read(page)));
            page = (page + 1) % shared.pages();
        }
    }
}
