//! `ring`: threads that hand a few tokens on to each other through pipes, and compute a little each
//! time. No thread chooses a CPU: the scheduler puts each where its waker runs, or where there is
//! room.

use std::hint::black_box;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::workload::crew::tid;
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Threads of the ring
    #[arg(long)]
    threads: usize,
    /// Tokens on their way at once
    #[arg(long)]
    tokens: usize,
    /// Computing with a token, in µs
    #[arg(long)]
    us: u64,
    /// How long the tokens circulate, in ms
    #[arg(long)]
    ms: u64,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    if args.tokens == 0 || args.tokens > args.threads {
        return Err(Trouble::Unsupported(
            "needs a token to 1 per thread".to_owned(),
        ));
    }
    let mut truth = scene.begin("ring")?;
    let pipes = (0..args.threads).map(|_| pipe());
    let pipes: Vec<_> = pipes
        .collect::<std::io::Result<_>>()
        .map_err(anyhow::Error::from)?;
    let (turns, mut calls): (Vec<_>, Vec<_>) = pipes.into_iter().unzip();
    for call in calls.iter_mut().take(args.tokens) {
        call.write_all(&[1]).map_err(anyhow::Error::from)?;
    }
    // Each calls the one after it, and the last the first.
    calls.rotate_left(1);
    let end = Instant::now() + Duration::from_millis(args.ms);
    let work = Duration::from_micros(args.us);
    let tids = thread::scope(|scope| -> Result<Vec<u32>> {
        let members = turns.into_iter().zip(calls);
        let members: Vec<_> = members
            .map(|(turn, call)| scope.spawn(move || pass_on(turn, call, work, end)))
            .collect();
        let tids = members.into_iter();
        tids.map(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
            .collect()
    })?;
    Scene::end(&mut truth)?;
    truth.tids = tids;
    Ok(truth)
}

/// Waits for a token, computes, and hands it on, until the time is over.
fn pass_on(
    mut turn: PipeReader,
    mut call: PipeWriter,
    work: Duration,
    end: Instant,
) -> Result<u32> {
    let mut byte = [0];
    loop {
        // A pipe that nobody writes to any more is the end, too.
        if turn.read(&mut byte)? == 0 {
            return tid();
        }
        let begun = Instant::now();
        let mut number = 1u64;
        while begun.elapsed() < work {
            number = black_box(number.wrapping_mul(6_364_136_223_846_793_005));
        }
        let is_over = Instant::now() >= end;
        // The next one may have ended already.
        let handed_on = call.write_all(&byte).is_ok();
        if is_over || !handed_on {
            return tid();
        }
    }
}
