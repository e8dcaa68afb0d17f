//! Cost of a sweep of the totals in userspace, on synthetic readings of a large machine: which of
//! the counts are new, and which entries can go.

use std::{hint::black_box, time::Instant};

use anyhow::Result;
use numatrace::capture::returned::{Reading, Returned};
use numatrace_common::{
    count_key::{AllocClass, CountKey, Stem},
    totals::{TotalKey, TotalValue},
};
use serde::Serialize;

/// Options of `sweep`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Entries of the table of totals
    #[arg(long, default_value_t = 131_072)]
    entries: u32,
    /// CPUs, each with counts in its slots
    #[arg(long, default_value_t = 256)]
    cpus: u32,
    /// Nodes
    #[arg(long, default_value_t = 8)]
    nodes: u16,
}

/// The measured figures.
#[derive(Debug, Serialize)]
struct Sweeps {
    /// Median of the sweeps, ms.
    sweep_ms: f64,
}

/// Counts that a CPU keeps: a few slots with a few bins each.
const BINS: u32 = 24;
const SWEEPS: u16 = 9;

/// Measures sweeps one after the other: half of the entries of each are new.
///
/// # Errors
/// The figures cannot be printed.
pub fn run(args: &Args) -> Result<()> {
    let mut returned = Returned::default();
    let mut took: Vec<f64> = (1..=SWEEPS)
        .map(|sweep| {
            let totals: Vec<_> = (0..args.entries)
                .map(|number| entry(number, sweep - u16::from(number % 2 == 1), args.nodes))
                .collect();
            let bins: Vec<_> = (0..args.cpus * BINS)
                .map(|number| entry(args.entries + number, sweep, args.nodes))
                .collect();
            let reading = Reading {
                totals: &totals,
                overflowed: &[],
                bins: &bins,
                left_out: &[],
            };
            let began = Instant::now();
            black_box(returned.take_new(u64::from(sweep) + 1, &reading));
            began.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    took.sort_by(f64::total_cmp);
    let sweeps = Sweeps {
        sweep_ms: took[took.len() / 2],
    };
    println!("{}", serde_json::to_string(&sweeps)?);
    Ok(())
}

fn entry(number: u32, epoch: u16, nodes: u16) -> (TotalKey, TotalValue) {
    let node = u16::try_from(number % u32::from(nodes.max(1))).unwrap_or(0);
    let count_key = CountKey::new(Stem::PageAlloc)
        .with_epoch(epoch)
        .with_task_node(node)
        .with_page_node(node)
        .with_preferred(node)
        .with_class(AllocClass::User4k as u8);
    let key = TotalKey {
        start_ns: u64::from(number) * 1_000,
        tid: number / 8 + 1,
        tgid: number / 64 + 1,
        count_key,
    };
    let value = TotalValue {
        count: 3,
        amount: 3,
    };
    (key, value)
}
