//! The counts of one owner, or of a sum of owners.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::{
    histogram::Histogram,
    sums::{bump, bump_all},
};
use crate::{
    decode::count::{
        AllocKey, BalancerWork, CountKind, Failure, MoveKey, NodePair, Reason, ReclaimKey,
        TouchKey, ToucherKey,
    },
    ids::{CpuId, NodeId, Pid},
};

/// The counts of one owner, or of a sum of owners.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Allocations by count key: (allocations, base pages).
    pub alloc: BTreeMap<AllocKey, Tally>,
    /// Interleaved allocations placed as intended, by page node.
    pub interleave_hit: BTreeMap<NodeId, u64>,
    /// First touches: base pages.
    pub first_touch: BTreeMap<TouchKey, u64>,
    /// Hinting faults by thread's node and page's node.
    pub hint_faults: BTreeMap<NodePair, u64>,
    /// Pages that hinting faults migrated.
    pub hint_migrated: u64,
    /// Pages moved, by nodes and reason.
    pub page_migrations: BTreeMap<(NodePair, Reason), u64>,
    /// Pages that the kernel failed to move, by cause.
    pub migrations_failed: BTreeMap<Failure, u64>,
    /// CPU changes.
    pub task_moves: BTreeMap<MoveKey, u64>,
    /// CPU time by node, ns.
    pub run_ns: BTreeMap<NodeId, u64>,
    /// Times that copies of this owner's folios took.
    pub folio_latency: Histogram,
    /// Times that its own calls of `migrate_pages` took.
    pub batch_latency: Histogram,
    /// Time in its own calls of `migrate_pages` by reason, ns.
    pub migrating_ns: BTreeMap<Reason, u64>,
    /// Work of NUMA balancing in its threads.
    pub balancer: BTreeMap<BalancerWork, Tally>,
    /// Mappings that NUMA balancing left alone, by reason.
    pub vmas_skipped: BTreeMap<Reason, u64>,
    /// Its pages that other processes had moved, by the process that asked.
    pub moved_by: BTreeMap<Pid, u64>,
    /// Times that it stayed on a node before it moved back.
    pub stays: Histogram,
    /// CPU changes: from, to.
    pub cpu_moves: BTreeMap<(CpuId, CpuId), u64>,
    /// Searches for memory to give back: times and ns.
    pub reclaims: BTreeMap<ReclaimKey, Tally>,
    /// Base pages that they brought.
    pub reclaimed: BTreeMap<ReclaimKey, u64>,
    /// Its pages that other processes touched first, by the process: base pages.
    pub touched_by: BTreeMap<ToucherKey, u64>,
}

impl Counts {
    /// Adds the counts of another owner.
    pub fn add(&mut self, other: &Counts) {
        let Counts {
            alloc,
            interleave_hit,
            first_touch,
            hint_faults,
            hint_migrated,
            page_migrations,
            migrations_failed,
            task_moves,
            run_ns,
            folio_latency,
            batch_latency,
            migrating_ns,
            balancer,
            vmas_skipped,
            moved_by,
            stays,
            cpu_moves,
            reclaims,
            reclaimed,
            touched_by,
        } = other;
        for (count_key, tally) in alloc {
            self.alloc
                .entry(*count_key)
                .or_default()
                .add(tally.count, tally.amount);
        }
        bump_all(&mut self.interleave_hit, interleave_hit);
        bump_all(&mut self.first_touch, first_touch);
        bump_all(&mut self.hint_faults, hint_faults);
        self.hint_migrated = self.hint_migrated.saturating_add(*hint_migrated);
        bump_all(&mut self.page_migrations, page_migrations);
        bump_all(&mut self.migrations_failed, migrations_failed);
        bump_all(&mut self.task_moves, task_moves);
        bump_all(&mut self.run_ns, run_ns);
        self.folio_latency.merge(folio_latency);
        self.batch_latency.merge(batch_latency);
        bump_all(&mut self.migrating_ns, migrating_ns);
        for (work, tally) in balancer {
            let sum = self.balancer.entry(*work).or_default();
            sum.add(tally.count, tally.amount);
        }
        bump_all(&mut self.vmas_skipped, vmas_skipped);
        bump_all(&mut self.moved_by, moved_by);
        self.stays.merge(stays);
        bump_all(&mut self.cpu_moves, cpu_moves);
        for (key, tally) in reclaims {
            let sum = self.reclaims.entry(*key).or_default();
            sum.add(tally.count, tally.amount);
        }
        bump_all(&mut self.reclaimed, reclaimed);
        bump_all(&mut self.touched_by, touched_by);
    }

    /// Returns the other processes that touched pages first, with their base pages, less those that
    /// were withdrawn.
    pub fn touchers(&self) -> impl Iterator<Item = (Pid, u64)> + '_ {
        let counted = self.touched_by.iter().filter(|(key, _)| !key.withdrawn);
        counted.filter_map(|(key, pages)| {
            let withdrawn = ToucherKey {
                withdrawn: true,
                ..*key
            };
            let withdrawn = self.touched_by.get(&withdrawn).copied().unwrap_or(0);
            let pages = pages.saturating_sub(withdrawn);
            (pages > 0).then_some((key.pid, pages))
        })
    }

    /// Returns the first touches less those that were withdrawn, in base pages.
    pub fn touches(&self) -> impl Iterator<Item = (TouchKey, u64)> + '_ {
        let counted = self.first_touch.iter().filter(|(key, _)| !key.withdrawn);
        counted.map(|(key, pages)| {
            let withdrawn = TouchKey {
                withdrawn: true,
                ..*key
            };
            let withdrawn = self.first_touch.get(&withdrawn).copied().unwrap_or(0);
            (*key, pages.saturating_sub(withdrawn))
        })
    }

    /// Adds the events of one count key.
    pub(super) fn add_tally(&mut self, what: CountKind, Tally { count, amount }: Tally) {
        match what {
            CountKind::Alloc(count_key) => {
                self.alloc.entry(count_key).or_default().add(count, amount);
            }
            CountKind::InterleaveHit(node) => bump(&mut self.interleave_hit, node, count),
            CountKind::FirstTouch(count_key) => bump(&mut self.first_touch, count_key, amount),
            CountKind::HintFault(nodes) => bump(&mut self.hint_faults, nodes, count),
            CountKind::HintMigrated => {
                self.hint_migrated = self.hint_migrated.saturating_add(amount);
            }
            CountKind::PageMigration(nodes, reason) => {
                bump(&mut self.page_migrations, (nodes, reason), amount);
            }
            CountKind::MigrationFailed(failure) => {
                bump(&mut self.migrations_failed, failure, amount);
            }
            CountKind::TaskMove(count_key) => bump(&mut self.task_moves, count_key, count),
            CountKind::TaskRun(node) => bump(&mut self.run_ns, node, amount),
            CountKind::FolioLatency(bucket) => self.folio_latency.add(bucket, count),
            CountKind::BatchLatency(bucket, reason) => {
                self.batch_latency.add(bucket, count);
                bump(&mut self.migrating_ns, reason, amount);
            }
            CountKind::Balancer(Some(work)) => {
                let sum = self.balancer.entry(work).or_default();
                sum.add(count, amount);
            }
            CountKind::Balancer(None) => {}
            CountKind::VmaSkipped(reason) => bump(&mut self.vmas_skipped, reason, count),
            CountKind::MovedBy(pid) => bump(&mut self.moved_by, pid, amount),
            CountKind::Stay(bucket) => self.stays.add(bucket, count),
            CountKind::CpuMove(from, to) => bump(&mut self.cpu_moves, (from, to), count),
            CountKind::Reclaim(key) => {
                self.reclaims.entry(key).or_default().add(count, amount);
            }
            CountKind::Reclaimed(key) => bump(&mut self.reclaimed, key, amount),
            CountKind::TouchedBy(key) => bump(&mut self.touched_by, key, amount),
        }
    }
}

/// Events, and the amount that they add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Events.
    pub count: u64,
    /// Pages, ns or table entries: the unit of the stem.
    pub amount: u64,
}

impl Tally {
    /// Adds, saturating: a count that no longer fits is still a large one.
    pub fn add(&mut self, count: u64, amount: u64) {
        self.count = self.count.saturating_add(count);
        self.amount = self.amount.saturating_add(amount);
    }
}
