//! The base of every workload: the machine's nodes, a prober, and the moment when the measured part
//! begins.

use std::io::{BufRead, Write};

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::time::{ClockId, clock_gettime};

use super::nodes::Nodes;
use super::placement::Prober;
use super::trouble::Trouble;
use super::truth::GroundTruth;

/// Holds a workload back until its observer is ready.
#[derive(Debug)]
pub struct Gate {
    on_stdin: bool,
}

impl Gate {
    /// Returns a gate that a newline on stdin opens, or an open one.
    #[must_use]
    pub fn new(on_stdin: bool) -> Self {
        Self { on_stdin }
    }

    fn pass(&self) -> Result<()> {
        if !self.on_stdin {
            return Ok(());
        }
        let mut err = std::io::stderr().lock();
        writeln!(err, "workload: ready pid={}", std::process::id())?;
        let mut line = String::new();
        let read = std::io::stdin()
            .lock()
            .read_line(&mut line)
            .context("cannot read stdin")?;
        ensure!(read > 0, "stdin was closed before the start");
        Ok(())
    }
}

/// The surroundings of one workload.
#[derive(Debug)]
pub struct Scene {
    /// The machine's nodes.
    pub nodes: Nodes,
    /// Asks the kernel where pages are.
    pub prober: Prober,
    gate: Gate,
}

impl Scene {
    /// Reads the machine's nodes; begins nothing yet.
    ///
    /// # Errors
    /// [`Trouble::Unsupported`] without NUMA support.
    pub fn open(gate: Gate) -> Result<Self, Trouble> {
        let nodes = Nodes::read()?;
        Ok(Self {
            prober: Prober::new(&nodes),
            nodes,
            gate,
        })
    }

    /// Waits for the start and begins the measured part of `workload`.
    ///
    /// # Errors
    /// stdin ends before the start.
    pub fn begin(&self, workload: &'static str) -> Result<GroundTruth> {
        let mut truth = GroundTruth::new(workload, &self.nodes);
        self.gate.pass()?;
        truth.start_ns = now_ns()?;
        truth.minor_faults = minor_faults()?;
        Ok(truth)
    }

    /// Ends the measured part. The rest of a workload is verification.
    ///
    /// # Errors
    /// The clock or the process's usage cannot be read.
    pub fn end(truth: &mut GroundTruth) -> Result<()> {
        truth.end_ns = now_ns()?;
        truth.minor_faults = minor_faults()?.saturating_sub(truth.minor_faults);
        Ok(())
    }
}

/// Returns `CLOCK_BOOTTIME` in ns, the clock of trace records.
///
/// # Errors
/// The clock cannot be read.
pub fn now_ns() -> Result<u64> {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME)?;
    Ok(u64::try_from(now.tv_sec())? * 1_000_000_000 + u64::try_from(now.tv_nsec())?)
}

fn minor_faults() -> Result<u64> {
    Ok(u64::try_from(
        getrusage(UsageWho::RUSAGE_SELF)?.minor_page_faults(),
    )?)
}
