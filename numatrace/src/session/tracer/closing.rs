//! Where a session or an interval begins and ends: what is read there.

use std::{path::Path, time::Duration};

use anyhow::Context;
use nix::time::{ClockId, clock_gettime};

use super::Tracer;
use crate::{
    attach::{catalog, hooks::HookState},
    capture::{
        boundary::{BoundaryReading, Grown},
        counting::counting,
        mapping_records::MappingRecords,
        numastat::{self, Round},
        totals::Sweep,
        vm_counters::VmCounters,
    },
    fold::counted::Counted,
    ingest::input::{Input, OpenRuns},
    recording::chunks::Sample,
};

/// Readings of numastat at each end of a session; fewer on machines with many nodes, where each one folds more.
const READINGS: usize = 32;

impl Tracer {
    /// Ends the session at a last cut. `None` when it never began.
    ///
    /// # Errors
    /// A map or counter file that cannot be read.
    pub fn finish(&mut self) -> anyhow::Result<Option<Counted>> {
        self.close(false)
    }

    /// Ends an interval at a cut and begins the next one there. `None` when the session never began.
    ///
    /// # Errors
    /// A map or counter file that cannot be read.
    pub fn roll(&mut self) -> anyhow::Result<Option<Counted>> {
        self.close(true)
    }

    pub(super) fn begin(&mut self) -> anyhow::Result<()> {
        let (mut reading, edge) = self.read_cut(0)?;
        reading.at_ns = boot_ns()?;
        self.take(&Input::Begin(reading, edge), None);
        Ok(())
    }

    fn close(&mut self, goes_on: bool) -> anyhow::Result<Option<Counted>> {
        if !self.ingest.is_counting() {
            return Ok(None);
        }
        // Counts of the running epochs first: only what is counted from here on can lie on either side of the cut.
        self.take_stock();
        let current = self.control.advance()?;
        let sweep = self.counts(current)?;
        let until_ns = boot_ns()?;
        self.take(&Input::Time(until_ns), None);
        self.take(&Input::Sweep(sweep), None);
        let (mut reading, edge) = self.read_cut(until_ns)?;
        reading.goes_on = goes_on;
        self.take(&Input::Boundary(reading, edge), None);
        self.drain()?;
        self.grow()?;
        self.look_at_residency();
        if !goes_on && self.ingest.live.is_none() {
            let open = OpenRuns {
                now_ns: until_ns,
                touches: self.open_runs.touches()?,
                uses: self.open_runs.uses()?,
                fills: self.open_runs.fills()?,
                moves: self.open_runs.moves()?,
            };
            self.take(&Input::OpenRuns(open), None);
        }
        Ok(self.ingest.counted())
    }

    /// When it is and what has grown, for a recording that may end here.
    pub(super) fn sample(&self) -> anyhow::Result<Option<Sample>> {
        if self.recorder.is_none() {
            return Ok(None);
        }
        Ok(Some(Sample {
            at_ns: boot_ns()?,
            grown: self.grown()?,
        }))
    }

    fn grown(&self) -> anyhow::Result<Grown> {
        Ok(Grown {
            recursion_misses: self.recursion_misses(),
            losses: self.losses.read()?,
            mapping_records_lost: self.mapping_records_so_far(MappingRecords::lost),
            mapping_records_rejected: self.mapping_records_so_far(MappingRecords::rejected),
            counting: counting(Path::new("/")),
        })
    }

    fn mapping_records_so_far(&self, count: impl Fn(&MappingRecords) -> u64) -> u64 {
        match &self.mapping_records {
            Some(Ok(records)) => count(records),
            _ => 0,
        }
    }

    /// Reads all counters several times and then what was counted around it; of the readings the one with least under way becomes the cut.
    fn read_cut(&mut self, at_ns: u64) -> anyhow::Result<(BoundaryReading, Sweep)> {
        let marked = self.session.state(catalog::NUMASTAT_FOLD) == HookState::Attached;
        let rounds: Vec<Round> = match &self.numastat {
            Ok(files) => {
                let times = (READINGS / self.nodes.len().max(1)).clamp(2, 8);
                numastat::rounds(files, &mut self.control, marked, times)?
            }
            Err(_) => numastat::blind_round(&self.nodes, &mut self.control)?,
        };
        let system = self.system(marked)?;
        let current = self.control.advance()?;
        let edge = self.counts(current)?;
        let reading = BoundaryReading {
            at_ns,
            rounds,
            system,
            grown: self.grown()?,
            no_counters: self.numastat.as_ref().err().cloned(),
            switched: self.numa_stat.written(),
            goes_on: false,
        };
        Ok((reading, edge))
    }

    /// Reads `/proc/vmstat`, which folds the kernel's counters as a node's file does, and so begins an epoch.
    fn system(&mut self, marked: bool) -> anyhow::Result<Option<(u64, VmCounters)>> {
        let begun = if marked {
            None
        } else {
            Some(self.control.advance()?)
        };
        let Some(counters) = VmCounters::read(Path::new("/")) else {
            return Ok(None);
        };
        let epoch = match begun {
            Some(epoch) => epoch,
            None => self.control.read()?.fold_epoch,
        };
        Ok(Some((epoch, counters)))
    }
}

/// The clock that starts of processes are told on.
///
/// # Errors
/// What clock_gettime(2) returned.
pub fn boot_ns() -> anyhow::Result<u64> {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).context("cannot read the boot clock")?;
    Ok(u64::try_from(Duration::from(now).as_nanos()).unwrap_or(u64::MAX))
}
