//! Context-switch storm: pairs of threads on one CPU that wake each other through pipes. A round
//! trip is two switches.

use std::{
    io::{PipeReader, PipeWriter, Read as _, Write as _, pipe},
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use super::{Done, Used, cpus, pin};

/// Options of the storm.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Round trips of each pair
    #[arg(long, default_value_t = 50_000)]
    trips: u64,
    /// Pairs, one on each CPU; 0 is one for each CPU
    #[arg(long, default_value_t = 1)]
    pairs: usize,
}

/// Runs the round trips.
///
/// # Errors
/// A pipe breaks.
pub fn run(args: &Args) -> Result<Done> {
    let cpus = cpus()?;
    let pairs = if args.pairs == 0 {
        cpus.len()
    } else {
        args.pairs
    };
    let start = Barrier::new(pairs);
    let used = Used::from_here()?;
    let wall = thread::scope(|scope| -> Result<Duration> {
        let mut players = Vec::new();
        for n in 0..pairs {
            let cpu = cpus[n % cpus.len()];
            let (their_end, mut to) = pipe()?;
            let (mut from, back) = pipe()?;
            scope.spawn(move || answer(cpu, their_end, back));
            let start = &start;
            players.push(scope.spawn(move || -> Result<Duration> {
                pin(cpu)?;
                start.wait();
                let begun = Instant::now();
                for _ in 0..args.trips {
                    to.write_all(&[0])?;
                    from.read_exact(&mut [0])?;
                }
                Ok(begun.elapsed())
            }));
        }
        let mut longest = Duration::ZERO;
        for player in players {
            let took = player.join().ok().context("a player panicked")??;
            longest = longest.max(took);
        }
        Ok(longest)
    })?;
    let switches = 2 * args.trips * pairs as u64;
    let (_, cpu) = used.until_now()?;
    Done::new("switch", switches, (wall, cpu), pairs as u64)
}

/// Sends back what comes until the pipe ends.
fn answer(cpu: usize, mut from: PipeReader, mut to: PipeWriter) -> Result<()> {
    pin(cpu)?;
    let mut byte = [0];
    while from.read(&mut byte)? > 0 {
        to.write_all(&byte)?;
    }
    Ok(())
}
