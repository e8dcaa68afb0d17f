//! Throughput of the stages behind the ring, on synthetic counts: decode, find the owner, fold. One
//! thread, no kernel.

use std::{hint::black_box, time::Duration};

use anyhow::{Result, bail};
use nix::time::{ClockId, clock_gettime};
use numatrace::{
    capture::RawRecord,
    decode::{count::decode_count, decode},
    enrich::{
        BATCH, Enrich,
        facts::{Details, Facts, Identity},
    },
    fold::{Folding, window::Boundary},
    ids::{NodeId, Pid, Tid},
};
use numatrace_common::{
    count_key::{AllocClass, CountKey, RemoteCause, Stem},
    event::task_moved::TaskMoved,
    header::{Header, Record as _, record_len},
    scope::NS_PER_TICK,
    totals::{TotalKey, TotalValue},
};
use serde::Serialize;

/// Options of `fold`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Processes
    #[arg(long)]
    processes: u32,
    /// Nodes
    #[arg(long)]
    nodes: u16,
    /// Time to measure for, ms
    #[arg(long, default_value_t = 500)]
    millis: u64,
}

/// The measured figures.
#[derive(Debug, Serialize)]
struct Throughput {
    /// Totals: decoded, attributed and folded, per second.
    runs_per_s: f64,
    /// Run records of the ring: decoded and attributed, per second.
    records_per_s: f64,
    /// Resident memory at the end, KiB.
    rss_kib: Option<u64>,
}

/// Totals or records of one pass: more than a cache holds.
const RUNS: usize = 1 << 18;
/// The epoch of all counts.
const EPOCH: u16 = 10;

/// Measures both.
///
/// # Errors
/// The synthetic records do not decode.
pub fn run(args: &Args) -> Result<()> {
    let runs = runs(args);
    let mut enrich = Enrich::new(Crowd(args.processes));
    let cut = Boundary {
        nodes: (0..args.nodes)
            .map(|node| (NodeId(node), (1, Default::default())))
            .collect(),
        ..Boundary::default()
    };
    let mut folding = Folding::begin(cut, &[]);
    let time = Duration::from_millis(args.millis);

    // A batch at a time, as the tracer does.
    let (mut counts, mut seen) = (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH));
    let runs_per_s = rate(time, RUNS, || {
        for batch in runs.chunks(BATCH) {
            for (key, value) in batch {
                match decode_count(EPOCH.into(), key, value) {
                    Ok(count) => counts.push(count),
                    Err(stem) => bail!("no stem {stem}"),
                }
            }
            enrich.counts(&counts, &mut seen);
            folding.apply_all(&seen);
            counts.clear();
            seen.clear();
        }
        Ok(())
    })?;
    black_box(&folding);

    let records: Vec<u8> = runs
        .iter()
        .flat_map(|(key, _)| bytemuck::bytes_of(&record(key)).to_vec())
        .collect();
    let records_per_s = rate(time, RUNS, || {
        for bytes in records.chunks_exact(size_of::<TaskMoved>()) {
            enrich.event(&decode(RawRecord(bytes))?);
        }
        Ok(())
    })?;
    let done = Throughput {
        runs_per_s,
        records_per_s,
        rss_kib: numatrace::capture::cost::own_rss_kb(),
    };
    println!("{}", serde_json::to_string(&done)?);
    Ok(())
}

/// Returns passes per second of CPU time, times the size of a pass. The first pass is not timed: it
/// makes the tables.
fn rate(time: Duration, each: usize, mut pass: impl FnMut() -> Result<()>) -> Result<f64> {
    pass()?;
    let begun = cpu_time()?;
    let mut passes = 0u32;
    let mut taken = Duration::ZERO;
    while taken < time {
        pass()?;
        passes += 1;
        taken = cpu_time()? - begun;
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate has three good digits")]
    let each = each as f64;
    Ok(f64::from(passes) * each / taken.as_secs_f64())
}

/// Returns the CPU time of this thread: other threads may want the CPU too.
fn cpu_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

/// Returns records of all processes in no order, on all pairs of nodes.
fn runs(args: &Args) -> Vec<(TotalKey, TotalValue)> {
    let mut random = Random(1);
    (0..RUNS)
        .map(|_| {
            let pid = 1 + random.below(args.processes);
            // Most memory is local, as on machines that run well.
            let here = u16::try_from(random.below(args.nodes.into())).unwrap_or(0);
            let there = match random.below(8) {
                0 => u16::try_from(random.below(args.nodes.into())).unwrap_or(0),
                _ => here,
            };
            let cause = if here == there {
                RemoteCause::None
            } else {
                RemoteCause::Fallback
            };
            let count_key = CountKey::new(Stem::PageAlloc)
                .with_task_node(here)
                .with_page_node(there)
                .with_preferred(here)
                .with_class(AllocClass::ALL[0] as u8)
                .with_cause(cause as u8)
                .with_epoch(EPOCH);
            let key = TotalKey {
                start_ns: start_ns(pid),
                tid: pid,
                tgid: pid,
                count_key,
            };
            let count = u64::from(1 + random.below(256));
            (
                key,
                TotalValue {
                    count,
                    amount: count,
                },
            )
        })
        .collect()
}

/// Returns a move of the same thread between the same nodes.
fn record(key: &TotalKey) -> TaskMoved {
    TaskMoved {
        header: Header {
            time_ns: 1,
            cpu: 0,
            kind: TaskMoved::KIND as u16,
            len: record_len::<TaskMoved>(),
        },
        start_ns: key.start_ns,
        tid: key.tid,
        tgid: key.tgid,
        from: key.count_key.task_node(),
        to: key.count_key.page_node(),
        ..TaskMoved::default()
    }
}

fn start_ns(pid: u32) -> u64 {
    u64::from(pid) * NS_PER_TICK
}

/// Processes that exist by number.
struct Crowd(u32);

impl Facts for Crowd {
    fn identity(&mut self, pid: Pid) -> Option<Identity> {
        (1..=self.0).contains(&pid.0).then(|| Identity {
            comm: numatrace::model::Name::from(b"synthetic".as_slice()),
            start_ticks: u64::from(pid.0),
            kthread: false,
        })
    }

    fn details(&mut self, _: Pid) -> Details {
        Details::default()
    }

    fn thread(&mut self, pid: Pid, _: Tid) -> Option<Identity> {
        self.identity(pid)
    }

    fn pids(&mut self) -> Vec<Pid> {
        (1..=self.0).map(Pid).collect()
    }
}

/// A xorshift generator, which gives the same records each time, on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from((self.0 >> 32) % u64::from(limit.max(1))).unwrap_or(0)
    }
}
