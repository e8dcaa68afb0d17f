//! `thread-storm`: many threads of one process that live for a moment, a few at a time; each writes
//! pages of its own.

use std::collections::VecDeque;
use std::thread::{self, JoinHandle};

use anyhow::{Result, anyhow};

use crate::workload::memory::Region;
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Threads
    #[arg(long)]
    count: usize,
    /// Base pages each thread writes
    #[arg(long, default_value_t = 1)]
    thread_pages: usize,
    /// Threads alive at the same time
    #[arg(long, default_value_t = 4)]
    at_once: usize,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let pages = args.thread_pages;
    let work = move || -> Result<()> {
        Region::anonymous(pages)?.write_all(0..pages);
        Ok(())
    };
    let mut truth = scene.begin("thread-storm")?;
    let mut alive = VecDeque::with_capacity(args.at_once);
    for _ in 0..args.count {
        if alive.len() >= args.at_once.max(1)
            && let Some(oldest) = alive.pop_front()
        {
            join(oldest)?;
        }
        alive.push_back(
            thread::Builder::new()
                .spawn(work)
                .map_err(anyhow::Error::from)?,
        );
    }
    alive.into_iter().try_for_each(join)?;
    Scene::end(&mut truth)?;
    truth.detail("threads", args.count);
    truth.detail("thread_pages", pages);
    Ok(truth)
}

fn join(thread: JoinHandle<Result<()>>) -> Result<()> {
    thread.join().map_err(|_| anyhow!("a thread panicked"))?
}
