//! Losses of the kernel side, from its per-CPU counters.

use anyhow::Context;
use aya::{
    Ebpf,
    maps::{MapData, PerCpuArray},
};
use numatrace_common::{counters::Counter, kind::Kind};
use serde::{Deserialize, Serialize};

use super::{map, recording::fixed};

/// The counters map.
pub struct LossCounters(PerCpuArray<MapData, u64>);

/// Losses so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Losses {
    /// Records written to the ring.
    pub records: u64,
    /// Records for which the ring had no room, by kind in the order of [`Kind::ALL`].
    #[serde(with = "fixed")]
    pub records_lost: [u64; Kind::ALL.len()],
    /// Events counted in `[overflow]`: their owner's totals had no room.
    pub overflowed: u64,
    /// Events that no total includes.
    pub totals_lost: u64,
    /// Processes for which the scope map had no room.
    pub scope_lost: u64,
    /// Allocations whose node was misread: they asked for one node only and seemed to get a
    /// different one.
    pub node_misread: u64,
    /// Threads for whose moves the table had no room.
    pub movers_lost: u64,
    /// Events that the kernel skipped in one copy of a program and the twin counted.
    pub caught_by_twin: u64,
    /// Page faults that were interrupted before they ended: later first touches in them are
    /// missing.
    pub faults_interrupted: u64,
    /// Page faults that could not be parked when their task was switched out.
    pub faults_unparked: u64,
    /// Scans and hinting faults that were not timed: the table had no room.
    pub balancer_untimed: u64,
    /// Searches for memory for whose time there was no room.
    pub reclaims_untimed: u64,
    /// Interleaved allocations whose state was overwritten before the policy hook: assumed to be
    /// hits.
    pub interleave_guessed: u64,
    /// Entries of bulk allocations' arrays that were not looked at beforehand.
    pub bulk_unscanned: u64,
    /// Marks between the two copies of a program for which there was no room: the events were
    /// counted twice.
    pub marks_lost: u64,
    /// First touches that were withdrawn too late for the mapping that has them.
    pub withdrawn_late: u64,
    /// Base pages that compaction handed out past numastat's counters.
    #[serde(default)]
    pub captured: u64,
}

impl Losses {
    /// Returns the losses since an earlier reading.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        // Every field by name, so that a new one does not compile unhandled.
        let Self {
            records,
            mut records_lost,
            overflowed,
            totals_lost,
            scope_lost,
            node_misread,
            movers_lost,
            caught_by_twin,
            faults_interrupted,
            faults_unparked,
            balancer_untimed,
            reclaims_untimed,
            interleave_guessed,
            bulk_unscanned,
            marks_lost,
            withdrawn_late,
            captured,
        } = *self;
        for (lost, before) in records_lost.iter_mut().zip(before.records_lost) {
            *lost = lost.saturating_sub(before);
        }
        Self {
            records: records.saturating_sub(before.records),
            records_lost,
            overflowed: overflowed.saturating_sub(before.overflowed),
            totals_lost: totals_lost.saturating_sub(before.totals_lost),
            scope_lost: scope_lost.saturating_sub(before.scope_lost),
            node_misread: node_misread.saturating_sub(before.node_misread),
            movers_lost: movers_lost.saturating_sub(before.movers_lost),
            caught_by_twin: caught_by_twin.saturating_sub(before.caught_by_twin),
            faults_interrupted: faults_interrupted.saturating_sub(before.faults_interrupted),
            faults_unparked: faults_unparked.saturating_sub(before.faults_unparked),
            balancer_untimed: balancer_untimed.saturating_sub(before.balancer_untimed),
            reclaims_untimed: reclaims_untimed.saturating_sub(before.reclaims_untimed),
            interleave_guessed: interleave_guessed.saturating_sub(before.interleave_guessed),
            bulk_unscanned: bulk_unscanned.saturating_sub(before.bulk_unscanned),
            marks_lost: marks_lost.saturating_sub(before.marks_lost),
            withdrawn_late: withdrawn_late.saturating_sub(before.withdrawn_late),
            captured: captured.saturating_sub(before.captured),
        }
    }
}

impl LossCounters {
    /// Takes the map out of the loaded object.
    ///
    /// # Errors
    /// The object has no such map: a build error.
    pub fn take(ebpf: &mut Ebpf) -> anyhow::Result<Self> {
        Ok(Self(map::take(ebpf, "COUNTERS")?))
    }

    /// Reads the counters, summed over CPUs.
    ///
    /// # Errors
    /// The error of bpf(2).
    pub fn read(&self) -> anyhow::Result<Losses> {
        let sum = |counter: Counter| -> anyhow::Result<u64> {
            let per_cpu = self
                .0
                .get(&(counter as u32), 0)
                .context("cannot read the loss counters")?;
            Ok(per_cpu.iter().sum())
        };
        let mut records_lost = [0; Kind::ALL.len()];
        for (lost, kind) in records_lost.iter_mut().zip(Kind::ALL) {
            *lost = sum(Counter::lost(kind))?;
        }
        Ok(Losses {
            records: sum(Counter::Records)?,
            records_lost,
            overflowed: sum(Counter::Overflowed)?,
            totals_lost: sum(Counter::LostTotals)?,
            scope_lost: sum(Counter::LostScope)?,
            node_misread: sum(Counter::NodeMisread)?,
            movers_lost: sum(Counter::LostMovers)?,
            caught_by_twin: sum(Counter::SecondCopy)?,
            faults_interrupted: sum(Counter::FaultsInterrupted)?,
            faults_unparked: sum(Counter::LostParked)?,
            balancer_untimed: sum(Counter::LostBalancerTimes)?,
            reclaims_untimed: sum(Counter::LostReclaimTimes)?,
            interleave_guessed: sum(Counter::InterleaveGuessed)?,
            bulk_unscanned: sum(Counter::BulkUnscanned)?,
            marks_lost: sum(Counter::LostMarks)?,
            withdrawn_late: sum(Counter::LateWithdrawals)?,
            captured: sum(Counter::CapturedPages)?,
        })
    }
}
