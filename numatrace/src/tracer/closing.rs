//! Where a session or an interval ends: the cut, and what was counted up to it.

use std::{path::Path, time::Duration};

use anyhow::Context;
use nix::time::{ClockId, clock_gettime};

use super::Tracer;
use crate::{
    attach::{catalog, hooks::HookState},
    capture::{
        counting::counting,
        losses::Losses,
        numastat::{self, Round},
        vm_counters::VmCounters,
    },
    enrich::Observation,
    fold::{
        Accumulators, Folding,
        mapping::Mappings,
        timeline::Timeline,
        window::{Cut, Window},
    },
};

/// What `vm.numa_stat=0` means, and the way out.
pub const NOT_COUNTING: &str =
    "vm.numa_stat is 0: the kernel does not count (sysctl vm.numa_stat=1 switches it on)";

/// Readings of numastat at each end of a session; fewer on machines with many nodes, where each one folds more.
const READINGS: usize = 32;

/// What a session or an interval of it counted, closed at both ends.
pub struct Counted {
    /// Both cuts.
    pub window: Window,
    /// When the last one was made, ns since boot.
    pub until_ns: u64,
    /// The counts between them.
    pub inside: Accumulators,
    /// What happened when.
    pub timeline: Timeline,
    /// When it began, ns since boot.
    pub began_ns: u64,
    /// The same by mapping, as far as runs ended meanwhile.
    pub mappings: Mappings,
    /// Runs of the allocation programs that the kernel skipped meanwhile.
    pub recursion_misses: Option<u64>,
    /// Losses of the kernel side meanwhile.
    pub losses: Losses,
    /// Records that made no sense.
    pub rejected: u64,
    /// Records of mappings for which the kernel, or we, had no room.
    pub mapping_records_lost: u64,
    /// A sweep did not settle.
    pub unsettled: bool,
    /// `vm.numa_stat` was off, or the kernel has no such counters: why there is nothing to compare with.
    pub uncounted: Option<String>,
    /// Somebody wrote to `vm.numa_stat` meanwhile, which may have set the kernel's counters to zero.
    pub switched: bool,
}

/// What grows from the start of the session, as it stood at a cut.
#[derive(Clone, Default)]
pub(super) struct SoFar {
    /// Of each program, copy by copy.
    recursion_misses: Option<Vec<Vec<u64>>>,
    pub(super) losses: Losses,
    pub(super) rejected: u64,
    mapping_records_lost: u64,
    counting: Option<bool>,
}

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

    fn close(&mut self, goes_on: bool) -> anyhow::Result<Option<Counted>> {
        let Some(mut folding) = self.folding.take() else {
            return Ok(None);
        };
        // Counts of the running epochs first: only what is counted from here on can lie on either side of the cut.
        self.take_stock();
        let current = self.control.advance()?;
        self.observe(current, |seen| folding.apply_all(seen))?;
        let unsettled = std::mem::take(&mut self.unsettled);
        let until_ns = boot_ns()?;
        let (cut, edge) = self.cut()?;
        let now = self.so_far()?;
        let before = std::mem::replace(&mut self.before, now.clone());
        if goes_on {
            self.folding = Some(Folding::follow(cut.clone(), &edge));
        }
        let (window, inside) = folding.end(cut, &edge);
        self.drain()?;
        self.grow()?;
        self.look_at_residency();
        if !goes_on && self.live.is_none() {
            self.take_in_open_runs(until_ns)?;
            self.note_threads();
        }
        Ok(Some(Counted {
            mappings: std::mem::take(&mut self.mappings),
            window,
            until_ns,
            inside,
            timeline: std::mem::take(&mut self.timeline),
            began_ns: std::mem::replace(&mut self.began_ns, until_ns),
            recursion_misses: now
                .recursion_misses
                .zip(before.recursion_misses)
                .map(|(now, before)| missed(&now, &before)),
            losses: now.losses.since(&before.losses),
            rejected: now.rejected.saturating_sub(before.rejected),
            mapping_records_lost: now
                .mapping_records_lost
                .saturating_sub(before.mapping_records_lost),
            unsettled: unsettled || self.unsettled,
            uncounted: self.uncounted(before.counting, now.counting),
            switched: self.numa_stat.written(),
        }))
    }

    /// Why there is nothing to compare with between two cuts at which the kernel was counting or not.
    fn uncounted(&self, before: Option<bool>, now: Option<bool>) -> Option<String> {
        if let Err(why) = &self.numastat {
            return Some(why.clone());
        }
        let why = match (before == Some(false), now == Some(false)) {
            (false, false) => return None,
            (true, true) => NOT_COUNTING,
            (false, true) => "vm.numa_stat was switched off during the session",
            (true, false) => "vm.numa_stat was 0 when this began: the kernel was not counting yet",
        };
        Some(why.to_owned())
    }

    pub(super) fn so_far(&self) -> anyhow::Result<SoFar> {
        Ok(SoFar {
            recursion_misses: self.recursion_misses(),
            losses: self.losses.read()?,
            rejected: self.rejected + self.mapping_records_senseless(),
            mapping_records_lost: self.mapping_records_lost(),
            counting: counting(Path::new("/")),
        })
    }

    fn mapping_records_lost(&self) -> u64 {
        let Some(Ok(records)) = &self.mapping_records else {
            return 0;
        };
        records.lost() + self.enrich.told.no_room
    }

    fn mapping_records_senseless(&self) -> u64 {
        match &self.mapping_records {
            Some(Ok(records)) => records.rejected(),
            _ => 0,
        }
    }

    /// Reads all counters several times and then what was counted around it; the reading with least under way is the cut.
    pub(super) fn cut(&mut self) -> anyhow::Result<(Cut, Vec<Observation>)> {
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
        let mut edge = Vec::new();
        self.observe(current, |seen| edge.extend_from_slice(seen))?;
        Ok((Cut::choose(&rounds, system, &edge), edge))
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

/// Events that may be missing between two readings of what was skipped, copy by copy of each program: an event is missed when every copy was
/// skipped, so at most as often as the one that was skipped least.
fn missed(now: &[Vec<u64>], before: &[Vec<u64>]) -> u64 {
    let of_copies = |(now, before): (&Vec<u64>, &Vec<u64>)| {
        let copies = now.iter().zip(before);
        copies
            .map(|(now, before)| now.saturating_sub(*before))
            .min()
    };
    now.iter().zip(before).filter_map(of_copies).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_that_was_skipped_least_in_this_interval_bounds_what_is_missing() {
        // The second copy was skipped less in the session, the first one since the last cut.
        assert_eq!(
            missed(&[vec![12, 9], vec![4]], &[vec![11, 2], vec![1]]),
            1 + 3
        );
    }
}
