//! `churn`: threads that take huge pages and give them back, over and over, and choose no CPU. A
//! thread that moves while the kernel clears a huge page is on another node afterwards.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::workload::crew::tid;
use crate::workload::memory::{Region, page_size};
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

/// Bytes of a huge page on machines with base pages of 4 KiB. Elsewhere they are base pages.
const HUGE: usize = 2 << 20;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Threads
    #[arg(long)]
    threads: usize,
    /// Huge pages that each has at once
    #[arg(long, default_value_t = 2)]
    count: usize,
    /// How long they go on, in ms
    #[arg(long)]
    ms: u64,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let mut truth = scene.begin("churn")?;
    let end = Instant::now() + Duration::from_millis(args.ms);
    let churn = || -> Result<(u32, u64)> {
        let pages = args.count * HUGE / page_size();
        // One more than wanted, so that enough lie at huge page boundaries.
        let region = Region::anonymous(pages + HUGE / page_size())?;
        region.advise(libc::MADV_HUGEPAGE)?;
        let mut rounds = 0;
        while Instant::now() < end {
            for page in (0..region.pages()).step_by(HUGE / page_size()) {
                region.write(page, 1);
            }
            region.advise(libc::MADV_DONTNEED)?;
            rounds += 1;
        }
        Ok((tid()?, rounds))
    };
    let done = thread::scope(|scope| -> Result<Vec<(u32, u64)>> {
        let threads: Vec<_> = (0..args.threads).map(|_| scope.spawn(churn)).collect();
        let threads = threads.into_iter();
        threads
            .map(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
            .collect()
    })?;
    Scene::end(&mut truth)?;
    truth.tids = done.iter().map(|(tid, _)| *tid).collect();
    truth.detail("rounds", done.iter().map(|(_, rounds)| rounds).sum::<u64>());
    Ok(truth)
}
