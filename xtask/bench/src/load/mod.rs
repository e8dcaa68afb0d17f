//! Loads: each does one thing a known number of times and times itself, so that the result has no
//! start-up in it.

mod command;
mod faults;
mod forks;
pub mod ftrace;
mod moves;
mod reads;
mod switches;

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Result;
use clap::Subcommand;
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    sys::{
        resource::{UsageWho, getrusage},
        time::TimeVal,
    },
    time::{ClockId, clock_gettime},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};

use crate::empty;
use crate::runs::{Runs, Statistics};

/// Options of `load`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File for the result, in place of stdout
    #[arg(long)]
    result: Option<PathBuf>,
    /// Have the kernel count the executions of all BPF programs meanwhile, which slows each of them
    #[arg(long)]
    runs: bool,
    /// Attach an empty program to this hook, to compare with (repeatable)
    #[arg(long, value_name = "HOOK")]
    side_recording: Vec<String>,
    #[command(subcommand)]
    load: Load,
}

#[derive(Debug, Subcommand)]
enum Load {
    /// Touch fresh anonymous memory, give it back, and again
    Faults(faults::Args),
    /// Read a file of holes into the page cache, drop it, and again
    Reads(reads::Args),
    /// Fork, exec and wait
    Forks(forks::Args),
    /// Two threads on one CPU that wake each other
    Switches(switches::Args),
    /// A thread that goes from CPU to CPU
    Moves(moves::Args),
    /// A program of the system
    Command(command::Args),
}

/// The result of a load.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Done {
    /// The thing that was done, in the singular.
    pub event: String,
    /// How many, over all threads.
    pub count: u64,
    /// From the first to the last, ns on the wall clock.
    pub wall_ns: u64,
    /// CPU time of them, ns, of this process and its children: the figure that neighbours on the
    /// machine change least.
    pub cpu_ns: u64,
    /// Threads that did them at the same time.
    pub threads: u64,
    /// Most memory that one program of it had resident, KiB, where it runs programs.
    pub max_rss_kib: Option<u64>,
    /// BPF programs that ran meanwhile, when asked for.
    pub programs: Vec<Runs>,
}

/// Clocks at the beginning.
struct Used {
    wall: Instant,
    cpu: Duration,
}

impl Used {
    fn from_here() -> Result<Self> {
        Ok(Self {
            wall: Instant::now(),
            cpu: cpu_time()?,
        })
    }

    fn until_now(&self) -> Result<(Duration, Duration)> {
        Ok((self.wall.elapsed(), cpu_time()?.saturating_sub(self.cpu)))
    }
}

/// Returns the CPU time of this process and the children that it has waited for.
fn cpu_time() -> Result<Duration> {
    let own = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
    let children = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let of = |time: TimeVal| -> Result<Duration> {
        Ok(Duration::from_secs(u64::try_from(time.tv_sec())?)
            + Duration::from_micros(u64::try_from(time.tv_usec())?))
    };
    Ok(Duration::from(own) + of(children.user_time())? + of(children.system_time())?)
}

impl Done {
    fn new(
        event: &str,
        count: u64,
        (wall, cpu): (Duration, Duration),
        threads: u64,
    ) -> Result<Self> {
        Ok(Self {
            event: event.to_owned(),
            count,
            wall_ns: u64::try_from(wall.as_nanos())?,
            cpu_ns: u64::try_from(cpu.as_nanos())?,
            threads,
            max_rss_kib: None,
            programs: Vec::new(),
        })
    }
}

/// Runs a load and prints its result.
///
/// # Errors
/// The load failed.
pub fn run(args: &Args) -> Result<()> {
    let side_recording = empty::attach_all(&args.side_recording)?;
    let statistics = args.runs.then(Statistics::on).transpose()?;
    let mut done = match &args.load {
        Load::Faults(args) => faults::run(args),
        Load::Reads(args) => reads::run(args),
        Load::Forks(args) => forks::run(args),
        Load::Switches(args) => switches::run(args),
        Load::Moves(args) => moves::run(args),
        Load::Command(args) => command::run(args),
    }?;
    if let Some(statistics) = &statistics {
        done.programs = statistics.since()?;
    }
    drop(side_recording);
    let text = serde_json::to_string(&done)?;
    match &args.result {
        Some(path) => fs::write(path, text)?,
        None => println!("{text}"),
    }
    Ok(())
}

/// Returns the CPUs that this process may use, in order.
fn cpus() -> Result<Vec<usize>> {
    let allowed = sched_getaffinity(Pid::from_raw(0))?;
    Ok((0..CpuSet::count())
        .filter(|&cpu| allowed.is_set(cpu).unwrap_or(false))
        .collect())
}

/// Keeps this thread on a CPU.
fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}
