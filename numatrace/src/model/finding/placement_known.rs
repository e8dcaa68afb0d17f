//! Whether the session knows where the memory of its processes lies: an acquittal needs that.

use crate::model::{PerNode, Process, ProcessKind, Snapshot, matrix::share, number, placement};

/// Share of the CPU time whose processes must be known.
const NEARLY_ALL: f64 = 0.9;

/// Placement mismatch up to which memory is where it is used: text of shared libraries is left out
/// of it, stacks and buffers of other threads are not.
const TOGETHER: f64 = 0.1;

/// Where memory lies, over all programs of the session.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlacementKnown {
    /// CPU time of programs, ns.
    ran_ns: u64,
    /// CPU time of programs whose memory was looked at, or is all from this session, ns.
    known_ns: u64,
    /// Part of it on memory of other nodes, ns.
    misplaced_ns: u64,
}

impl PlacementKnown {
    /// Sums up the programs of a report.
    pub fn of(snapshot: &Snapshot) -> Self {
        let programs = snapshot.processes.iter();
        // Of processes that are added up, sums are known: memory of one on the node where another
        // ran would look as if each had run with its own.
        let programs = programs
            .filter(|process| process.kind == ProcessKind::User || process.stands_for.is_some());
        Self::of_processes(snapshot, programs)
    }

    /// Sums up some of them.
    pub fn of_processes<'a>(
        snapshot: &Snapshot,
        processes: impl IntoIterator<Item = &'a Process>,
    ) -> Self {
        let mut sum = Self::default();
        for process in processes {
            let ran_ns = process.run_ns.as_ref().map_or(0, PerNode::total);
            sum.ran_ns = sum.ran_ns.saturating_add(ran_ns);
            if let Some(mismatch) = mismatch(snapshot, process) {
                sum.known_ns = sum.known_ns.saturating_add(ran_ns);
                let part = placement::part(ran_ns, mismatch);
                sum.misplaced_ns = sum.misplaced_ns.saturating_add(part);
            }
        }
        sum
    }

    /// Returns whether enough is known for a verdict.
    pub fn is_known(&self) -> bool {
        self.known().is_some_and(|part| part >= NEARLY_ALL)
    }

    /// Returns whether memory is where it is used, as far as it is known.
    pub fn is_together(&self) -> bool {
        self.mismatch().is_some_and(|part| part <= TOGETHER)
    }

    /// Returns the share of the CPU time whose processes are known.
    pub fn known(&self) -> Option<f64> {
        share(self.known_ns, self.ran_ns)
    }

    /// Returns the placement mismatch, weighted with CPU time.
    pub fn mismatch(&self) -> Option<f64> {
        share(self.misplaced_ns, self.known_ns)
    }
}

/// Returns the mismatch of a process: by its resident memory, or, when it began in the session, by
/// what it touched, which is then all of its memory.
fn mismatch(snapshot: &Snapshot, process: &Process) -> Option<f64> {
    if process.placement_mismatch.is_some() {
        return process.placement_mismatch;
    }
    let began_ns = snapshot.session.began_ns?;
    if process.start_ns < began_ns {
        return None;
    }
    placement::mismatch(&process.run_ns.as_ref()?.0, &process.pages()?.0)
}

/// Says why memory was not looked at, and how to look.
pub fn why_unknown(snapshot: &Snapshot) -> String {
    if let Some(folded) = &snapshot.coverage.folded {
        let ran = |process: &Process| process.run_ns.as_ref().map_or(0, PerNode::total);
        let rows = snapshot.processes.iter();
        let rows = rows.filter(|process| process.stands_for.is_some());
        let all: u64 = snapshot.processes.iter().map(ran).sum();
        let of_rows = share(rows.map(ran).sum(), all);
        if of_rows.is_some_and(|part| part >= 1.0 - NEARLY_ALL) {
            return format!(
                "{} processes that ended are added up by command; --keep-processes keeps more of \
                 them apart",
                number::grouped(folded.processes)
            );
        }
    }
    let mut programs = snapshot.processes.iter();
    let residencies = programs.by_ref().filter_map(|process| {
        let residency = process.residency.as_ref()?;
        Some((process, residency))
    });
    let mut looked = false;
    for (process, residency) in residencies {
        looked = true;
        if let Some(gap) = &residency.gap {
            return format!(
                "of {} ({}): {gap}; --residency gives it the time that it takes",
                process.comm.to_utf8(),
                process.pid
            );
        }
    }
    if looked {
        "it was read of the processes with most CPU time only; numatrace stat -p PID reads one"
            .to_owned()
    } else {
        "leave out --no-residency and --audit-only, or read it with numatrace stat -p PID"
            .to_owned()
    }
}
