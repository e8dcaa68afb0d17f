//! Boundaries of sessions and intervals: readings where one begins or ends.

use std::path::Path;

use super::{Tracer, clock::boot_ns};
use crate::{
    attach::{
        catalog,
        hooks::{Attached, HookState},
    },
    capture::{
        boundary::{BoundaryReading, Grown},
        counting::counting,
        fdinfo::ProgramFdInfo,
        mapping_records::MappingRecords,
        numastat::{self, Round},
        totals::Sweep,
        vm_counters::VmCounters,
    },
    fold::counted::Counted,
    ingest::input::{Input, OpenRuns},
    recording::chunks::Sample,
};

/// Readings of numastat at each boundary, shared among nodes: with many nodes, each round of
/// readings makes the kernel fold more counters, and each reading begins an epoch, in which every
/// busy thread has entries of its own in the totals.
const READINGS: usize = 16;

/// Hooks whose programs count allocations: runs that the kernel skipped there are missing from the
/// totals.
const ALLOCATION_HOOKS: [&str; 3] = [
    catalog::PAGE_ALLOC,
    catalog::ALLOC_BULK,
    catalog::ALLOC_POLICY,
];

impl Tracer {
    /// Ends the session at a last boundary. Returns its counts; `None` when it never began.
    ///
    /// # Errors
    /// A map or counter file cannot be read.
    pub fn finish(&mut self) -> anyhow::Result<Option<Counted>> {
        self.close(false)
    }

    /// Ends an interval at a boundary and begins the next one there. Returns its counts; `None`
    /// when the session never began.
    ///
    /// # Errors
    /// A map or counter file cannot be read.
    pub fn roll(&mut self) -> anyhow::Result<Option<Counted>> {
        self.close(true)
    }

    /// Begins to count at a first boundary.
    pub(super) fn begin(&mut self) -> anyhow::Result<()> {
        let (mut reading, boundary_counts) = self.read_boundary(0)?;
        reading.at_ns = boot_ns()?;
        self.apply(&Input::Begin(reading, boundary_counts), None);
        Ok(())
    }

    fn close(&mut self, another_follows: bool) -> anyhow::Result<Option<Counted>> {
        if !self.ingest.is_counting() {
            return Ok(None);
        }
        // Counts of the epochs so far first: only later counts can lie on either side of the
        // boundary.
        self.charge_running_tasks(|_| true);
        let current = self.control.advance()?;
        let sweep = self.counts(current)?;
        let until_ns = boot_ns()?;
        self.apply(&Input::Time(until_ns), None);
        self.apply(&Input::Sweep(sweep), None);
        let (mut reading, boundary_counts) = self.read_boundary(until_ns)?;
        reading.another_follows = another_follows;
        self.apply(&Input::Boundary(reading, boundary_counts), None);
        self.drain()?;
        self.stream_growth()?;
        if !another_follows {
            self.read_residency_last();
        }
        if !another_follows && self.ingest.live.is_none() {
            let open = OpenRuns {
                now_ns: until_ns,
                touches: self.open_runs.touches()?,
                uses: self.open_runs.uses()?,
                fills: self.open_runs.fills()?,
                moves: self.open_runs.moves()?,
            };
            self.apply(&Input::OpenRuns(open), None);
        }
        Ok(self.ingest.counted())
    }

    /// Returns the time and the growing counts, for a recording that may end here; `None` without
    /// one.
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
            other_misses: self.other_misses(),
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

    /// Reads the kernel's counters several times, then the counts of the epochs around the
    /// readings. The reading with the fewest allocations under way becomes the boundary.
    fn read_boundary(&mut self, at_ns: u64) -> anyhow::Result<(BoundaryReading, Sweep)> {
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
        let boundary_counts = self.counts(current)?;
        let reading = BoundaryReading {
            at_ns,
            rounds,
            system,
            grown: self.grown()?,
            no_counters: self.numastat.as_ref().err().cloned(),
            switched: self.numa_stat.written(),
            another_follows: false,
        };
        Ok((reading, boundary_counts))
    }

    /// Reads `/proc/vmstat`. The read folds the kernel's counters as the read of a node's file
    /// does, and so begins an epoch. Returns that epoch with the counters; `None` where they cannot
    /// be read.
    fn system(&mut self, marked: bool) -> anyhow::Result<Option<(u64, VmCounters)>> {
        // Our program at the fold begins the epoch; without it we do.
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

    /// Returns the runs of the allocation programs that the kernel skipped so far, by program and
    /// copy; `None` where the kernel does not count them.
    fn recursion_misses(&self) -> Option<Vec<Vec<u64>>> {
        ALLOCATION_HOOKS
            .into_iter()
            .flat_map(|hook| self.session.programs_of(hook))
            .map(|attached| self.misses_of_copies(*attached))
            .collect()
    }

    /// Returns the skipped runs of each other hook whose programs the kernel counts.
    fn other_misses(&self) -> Vec<(String, Vec<Vec<u64>>)> {
        let hooks = self.session.hooks.iter().map(|hook| hook.row.hook);
        hooks
            .filter(|hook| !ALLOCATION_HOOKS.contains(hook))
            .filter_map(|hook| {
                let programs = self.session.programs_of(hook).iter();
                let misses = programs.map(|attached| self.misses_of_copies(*attached));
                Some((hook.to_owned(), misses.collect::<Option<_>>()?))
            })
            .collect()
    }

    fn misses_of_copies(&self, attached: Attached) -> Option<Vec<u64>> {
        attached.names().map(|name| self.misses_of(name)).collect()
    }

    fn misses_of(&self, program: &str) -> Option<u64> {
        ProgramFdInfo::of(self.session.program(program)?)
            .ok()?
            .recursion_misses
    }
}
