//! fold: observations to accumulators: plain synchronous arithmetic.
//!
//! Counts are kept as they came, by owner and count key; counters are derived when asked for. Nothing here reads a clock, a file or a
//! map, so every sum can be checked without a kernel.

use serde::{Deserialize, Serialize};

pub mod absence;
pub mod alloc;
pub mod area;
pub mod counted;
pub mod extents;
pub mod going_on;
pub mod histogram;
pub mod live;
pub mod mapping;
pub mod slices;
pub mod surprise;
pub mod timeline;
pub mod verify;
pub mod window;

// Beside the tracer: `numatrace stat`.
pub mod stat;

use std::collections::BTreeMap;

use crate::{
    decode::count::{
        AllocKey, BalancerWork, CountKind, Failure, MoveKey, NodePair, Reason, TouchKey,
    },
    enrich::{
        BATCH, Charged, Observation,
        table::{Hashed, Table},
    },
    ids::{CpuId, NodeId, Pid},
};
use histogram::Histogram;
use slices::Slices;
use window::{Boundary, Window};

/// Everything counted in a session or interval.
///
/// One flat table: most owners have a handful of count keys, so a map for each would be many times larger than what it holds, and every count would
/// wait for one more cache line.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Accumulators {
    /// What each owner did, count key by count key.
    pub tallies: Table<(Charged, CountKind), Tally>,
    /// Allocations that numastat's counters of the preferred node hold but that were counted in epochs around a cut: what
    /// `numa_foreign` may differ by.
    pub foreign_edge: u64,
    /// Base pages allocated between the two readings of `/proc/vmstat`, which are other instants than those of the nodes.
    pub system_pages: u64,
    /// Hinting faults over time.
    pub faults: Slices,
}

/// What one owner, or a sum of owners, did.
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
    /// Pages that were to be moved and stayed, by why.
    pub migrations_failed: BTreeMap<Failure, u64>,
    /// CPU changes.
    pub task_moves: BTreeMap<MoveKey, u64>,
    /// CPU time by node, ns.
    pub run_ns: BTreeMap<NodeId, u64>,
    /// How long copies of this owner's folios took.
    pub folio_latency: Histogram,
    /// How long its own calls of `migrate_pages` took.
    pub batch_latency: Histogram,
    /// Time in its own calls of `migrate_pages`, by reason, ns.
    pub migrating_ns: BTreeMap<Reason, u64>,
    /// What NUMA balancing did in it.
    pub balancer: BTreeMap<BalancerWork, Tally>,
    /// Mappings that NUMA balancing left alone, by reason.
    pub vmas_skipped: BTreeMap<Reason, u64>,
    /// Pages moved by others, by who asked.
    pub moved_by: BTreeMap<Pid, u64>,
    /// How long it stayed on nodes before it went back.
    pub stays: Histogram,
    /// CPU changes: from, to.
    pub cpu_moves: BTreeMap<(CpuId, CpuId), u64>,
}

/// Adds to an entry, saturating: a count that no longer fits is still a large one.
pub(crate) fn bump<K: Ord>(map: &mut BTreeMap<K, u64>, key: K, by: u64) {
    let sum = map.entry(key).or_default();
    *sum = sum.saturating_add(by);
}

/// Adds a map of counts to another.
fn bump_all<K: Ord + Copy>(map: &mut BTreeMap<K, u64>, other: &BTreeMap<K, u64>) {
    for (key, by) in other {
        bump(map, *key, *by);
    }
}

impl Counts {
    /// Adds another owner's.
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
    }

    /// Adds what was counted in one count key.
    fn take(&mut self, what: CountKind, Tally { count, amount }: Tally) {
        match what {
            CountKind::Alloc(count_key) => {
                self.alloc.entry(count_key).or_default().add(count, amount)
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
        }
    }
}

/// Events and what they add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Events.
    pub count: u64,
    /// Pages, ns: whatever the stem adds up.
    pub amount: u64,
}

impl Tally {
    /// Adds, saturating: a count that no longer fits is still a large one.
    pub fn add(&mut self, count: u64, amount: u64) {
        self.count = self.count.saturating_add(count);
        self.amount = self.amount.saturating_add(amount);
    }
}

impl Accumulators {
    /// Adds one observation that belongs to this session.
    pub fn apply(&mut self, seen: &Observation) {
        self.apply_at(place(seen), seen);
    }

    #[inline]
    fn apply_at(&mut self, hash: Hashed, seen: &Observation) {
        self.tallies
            .entry(hash, (seen.charged, seen.what))
            .add(seen.count, seen.amount);
        if let CountKind::HintFault(nodes) = seen.what {
            let process = match seen.charged {
                Charged::Thread { process, .. } => Some(process),
                _ => None,
            };
            self.faults.add(process, nodes, seen.count);
        }
    }

    /// What each owner did, one after the other in order: the counts of all of them at once would be many times the table.
    pub fn owners(&self) -> impl Iterator<Item = (Charged, Counts)> {
        let mut count_keys: Vec<_> = self.tallies.iter().collect();
        count_keys.sort_unstable_by_key(|((charged, _), _)| *charged);
        let mut count_keys = count_keys.into_iter().peekable();
        std::iter::from_fn(move || {
            let &((charged, _), _) = count_keys.peek()?;
            let mut counts = Counts::default();
            while let Some(((_, what), tally)) =
                count_keys.next_if(|((other, _), _)| *other == *charged)
            {
                counts.take(*what, *tally);
            }
            Some((*charged, counts))
        })
    }

    /// Charges everything anew: to whom, is answered for each owner.
    pub fn charge(&mut self, mut to: impl FnMut(Charged) -> Charged) {
        for ((charged, what), tally) in std::mem::take(&mut self.tallies).iter() {
            let count_key = (to(*charged), *what);
            let hash = Table::<(Charged, CountKind), Tally>::hash(&count_key);
            self.tallies
                .entry(hash, count_key)
                .add(tally.count, tally.amount);
        }
    }

    /// What all of them did.
    #[must_use]
    pub fn total(&self) -> Counts {
        let mut sum = Counts::default();
        for ((_, what), tally) in self.tallies.iter() {
            sum.take(*what, *tally);
        }
        sum
    }

    /// Allocations by owner and count key.
    pub fn allocs(&self) -> impl Iterator<Item = (Charged, AllocKey, Tally)> {
        self.tallies
            .iter()
            .filter_map(|((charged, what), tally)| match what {
                CountKind::Alloc(count_key) => Some((*charged, *count_key, *tally)),
                _ => None,
            })
    }

    /// Adds what another accumulator holds: two halves of a session are the whole.
    pub fn merge(&mut self, other: &Accumulators) {
        for (count_key, tally) in other.tallies.iter() {
            let hash = Table::<(Charged, CountKind), Tally>::hash(count_key);
            self.tallies
                .entry(hash, *count_key)
                .add(tally.count, tally.amount);
        }
        self.foreign_edge = self.foreign_edge.saturating_add(other.foreign_edge);
        self.system_pages = self.system_pages.saturating_add(other.system_pages);
        self.faults.merge(&other.faults);
    }
}

/// Where an observation is counted.
#[inline]
fn place(seen: &Observation) -> Hashed {
    Table::<(Charged, CountKind), Tally>::hash(&(seen.charged, seen.what))
}

/// A session being folded: counts wait until it is known on which side of a cut they fall.
#[derive(Debug, Serialize, Deserialize)]
pub struct Folding {
    window: Window,
    /// What comes late, counted in an epoch before the start, is taken in: the interval before has ended without it.
    follows: bool,
    /// Counts inside the window.
    pub inside: Accumulators,
}

impl Folding {
    /// Begins at a cut; `edge` are the counts of the epochs around it.
    pub fn begin(start: Boundary, edge: &[Observation]) -> Self {
        let mut folding = Self {
            window: Window::new(start),
            follows: false,
            inside: Accumulators::default(),
        };
        folding.apply_all(edge);
        folding
    }

    /// Begins where another interval has ended, at the same cut and with the same edge: together they are one session.
    pub fn follow(start: Boundary, edge: &[Observation]) -> Self {
        Self {
            follows: true,
            ..Self::begin(start, edge)
        }
    }

    /// Takes in a count of an epoch before any possible end.
    pub fn apply(&mut self, seen: &Observation) {
        self.apply_at(place(seen), seen);
    }

    fn apply_at(&mut self, hash: Hashed, seen: &Observation) {
        if self.window.wholly_contains(seen.epoch) {
            if matches!(seen.what, CountKind::Alloc(_)) {
                self.inside.system_pages = self.inside.system_pages.saturating_add(seen.amount);
            }
            self.inside.apply_at(hash, seen);
            return;
        }
        self.inside.foreign_edge = self
            .inside
            .foreign_edge
            .saturating_add(self.window.foreign_edge(seen));
        if matches!(seen.what, CountKind::Alloc(_)) && self.window.contains_system(seen) {
            self.inside.system_pages = self.inside.system_pages.saturating_add(seen.amount);
        }
        if self.window.contains(seen) || self.follows && self.window.precedes(seen) {
            self.inside.apply_at(hash, seen);
        }
    }

    /// Takes in a batch of them.
    pub fn apply_all(&mut self, seen: &[Observation]) {
        let mut places = Vec::with_capacity(BATCH.min(seen.len()));
        for batch in seen.chunks(BATCH) {
            places.clear();
            places.extend(batch.iter().map(place));
            self.inside.tallies.warm(&places);
            for (hash, one) in places.iter().zip(batch) {
                self.apply_at(*hash, one);
            }
        }
    }

    /// Ends at a cut; `edge` are the counts of the epochs around it. What lies beyond is dropped: it belongs to the next interval, which
    /// is given the same edge.
    pub fn end(mut self, end: Boundary, edge: &[Observation]) -> (Window, Accumulators) {
        self.window.close(end);
        self.apply_all(edge);
        (self.window, self.inside)
    }
}

#[cfg(test)]
mod tests;
