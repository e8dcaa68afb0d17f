//! The report's matrices from counts: first touch, hinting faults, page migrations, task moves, CPU
//! time.
//!
//! Every function returns `None` where the session's hooks could not measure, and zeros where they
//! measured nothing.

use std::collections::BTreeMap;

use numatrace_common::count_key::{BalancerWork as Work, MoveReason as WireReason, TouchKind};

use super::touched_by;
use crate::{
    decode::count::{NodePair, Reason},
    fold::{Counts, histogram::Histogram, sums::bump},
    ids::NodeId,
    model::{
        BalancerWork, ByKind, CpuMoves, FailedByCause, FirstTouch, HintFaults, Latency,
        LatencyBucket, Marks, Matrix, MoveReason, MovedBy, PageMigrations, PerNode, Stay,
        TaskMoves,
    },
};

/// The quantities that a session measured.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Page allocations.
    pub allocs: bool,
    /// First touches.
    pub first_touch: bool,
    /// Kinds of mappings of first touches.
    pub touch_kinds: bool,
    /// The filling of the page cache.
    pub page_cache: bool,
    /// Hinting faults.
    pub hint_faults: bool,
    /// Page migrations by reason.
    pub page_migrations: bool,
    /// Nodes and owners of page migrations.
    pub migration_nodes: bool,
    /// CPU changes.
    pub task_moves: bool,
    /// Task moves between the last-level caches of a node: some node has several.
    pub cache_moves: bool,
    /// CPU time per node.
    pub run_ns: bool,
    /// The costs of NUMA balancing.
    pub balancer: bool,
    /// Mappings that NUMA balancing skips.
    pub vma_skips: bool,
    /// OOM kills.
    pub oom_kills: bool,
    /// Searches for memory.
    pub reclaim: bool,
    /// Allocations that failed for good.
    pub alloc_failed: bool,
    /// Huge pages that a pool could not give.
    pub hugetlb_failed: bool,
    /// Refused calls.
    pub policy_refused: bool,
    /// Names of the kernel's `enum migrate_reason`, by number, in lower case without prefix.
    pub migrate_reasons: Vec<String>,
    /// Names of the kernel's `enum numa_vmaskip_reason`, by number, likewise.
    pub skip_reasons: Vec<String>,
}

/// Returns the first touches of an owner.
pub fn first_touch(counts: &Counts, nodes: &[NodeId], measured: &Measured) -> Option<FirstTouch> {
    measured.first_touch.then(|| {
        let mut by_kind = [0u64; TouchKind::ALL.len()];
        let (mut cow, mut thp) = (0u64, 0u64);
        for (count_key, pages) in counts.touches() {
            if let Some(kind) = count_key.kind {
                let sum = &mut by_kind[kind as usize];
                *sum = sum.saturating_add(pages);
            }
            cow = cow.saturating_add(if count_key.cow { pages } else { 0 });
            thp = thp.saturating_add(if count_key.thp { pages } else { 0 });
        }
        let of = |kind: TouchKind| Some(by_kind[kind as usize]);
        FirstTouch {
            pages: Some(matrix(
                counts
                    .touches()
                    .map(|(count_key, pages)| (count_key.nodes, pages)),
                nodes,
            )),
            remote_by_distance: None,
            by_kind: measured.touch_kinds.then(|| ByKind {
                anon: of(TouchKind::Anon),
                heap: of(TouchKind::Heap),
                stack: of(TouchKind::Stack),
                file: of(TouchKind::File),
                shmem: of(TouchKind::Shmem),
                hugetlb: of(TouchKind::Hugetlb),
            }),
            marks: measured.touch_kinds.then_some(Marks {
                cow: Some(cow),
                thp: Some(thp),
            }),
            by_others: touched_by::all(counts.touchers()),
        }
    })
}

/// Returns the hinting faults of an owner.
pub fn hint_faults(counts: &Counts, nodes: &[NodeId], measured: &Measured) -> Option<HintFaults> {
    measured.hint_faults.then(|| HintFaults {
        matrix: Some(matrix(
            counts
                .hint_faults
                .iter()
                .map(|(pair, faults)| (*pair, *faults)),
            nodes,
        )),
        migrated: Some(counts.hint_migrated),
    })
}

/// Returns the page migrations of an owner's memory.
pub fn page_migrations(
    counts: &Counts,
    nodes: &[NodeId],
    measured: &Measured,
) -> Option<PageMigrations> {
    measured.page_migrations.then(|| {
        let mut by_reason: BTreeMap<String, u64> = BTreeMap::new();
        for ((_, reason), pages) in &counts.page_migrations {
            bump(
                &mut by_reason,
                reason_name(&measured.migrate_reasons, *reason),
                *pages,
            );
        }
        PageMigrations {
            matrix: measured.migration_nodes.then(|| {
                matrix(
                    counts
                        .page_migrations
                        .iter()
                        .map(|((pair, _), pages)| (*pair, *pages)),
                    nodes,
                )
            }),
            by_reason: Some(by_reason),
            failed: Some(counts.migrations_failed.values().sum()),
            failed_by_cause: measured.migration_nodes.then(|| failed_by_cause(counts)),
            latency_us: latency(&counts.folio_latency),
            call_latency_us: latency(&counts.batch_latency),
            moved_by: measured.migration_nodes.then(|| {
                counts
                    .moved_by
                    .iter()
                    .map(|(pid, pages)| MovedBy {
                        pid: *pid,
                        comm: None,
                        pages: *pages,
                    })
                    .collect()
            }),
        }
    })
}

fn failed_by_cause(counts: &Counts) -> FailedByCause {
    let mut causes = FailedByCause::default();
    for (failure, pages) in &counts.migrations_failed {
        let cause = if failure.busy {
            &mut causes.busy
        } else {
            &mut causes.other
        };
        *cause = cause.saturating_add(*pages);
    }
    causes
}

/// Returns the kernel's name of a reason, or `reason_N` for an unknown number.
pub fn reason_name(names: &[String], reason: Reason) -> String {
    names
        .get(usize::from(reason))
        .cloned()
        .unwrap_or_else(|| format!("reason_{reason}"))
}

/// Returns the work of NUMA balancing in an owner's threads.
pub fn balancer(counts: &Counts, measured: &Measured) -> Option<BalancerWork> {
    let of = |work: Work| {
        let tally = counts.balancer.get(&work).copied().unwrap_or_default();
        measured.balancer.then_some(tally)
    };
    let calls = |reason: &(&Reason, &u64)| {
        let name = measured.migrate_reasons.get(usize::from(*reason.0));
        name.is_some_and(|name| name == NUMA_MISPLACED)
    };
    (measured.balancer || measured.vma_skips || measured.hint_faults).then(|| BalancerWork {
        scans: of(Work::Scan).map(|tally| tally.count),
        scan_ns: of(Work::Scan).map(|tally| tally.amount),
        pte_updates: of(Work::Update).map(|tally| tally.amount),
        fault_ns: of(Work::Fault).map(|tally| tally.amount),
        migrate_ns: measured.page_migrations.then(|| {
            let by_reason = counts.migrating_ns.iter();
            by_reason.filter(calls).map(|(_, ns)| ns).sum()
        }),
        vmas_skipped: measured.vma_skips.then(|| {
            let skipped = counts.vmas_skipped.iter();
            skipped
                .map(|(reason, times)| (reason_name(&measured.skip_reasons, *reason), *times))
                .collect()
        }),
    })
}

/// The kernel's reason of migrations that hinting faults start.
pub const NUMA_MISPLACED: &str = "numa_misplaced";

/// Returns the moves of an owner's tasks. Matrix, reasons and returns count cross-node moves only.
pub fn task_moves(counts: &Counts, nodes: &[NodeId], measured: &Measured) -> Option<TaskMoves> {
    measured.task_moves.then(|| {
        // A node that sysfs does not list has no place in the matrix: such moves count as changes
        // of CPU only.
        let cross = || {
            counts
                .task_moves
                .iter()
                .filter(|(count_key, _)| count_key.nodes.0 != count_key.nodes.1)
                .filter(|(count_key, _)| {
                    nodes.contains(&count_key.nodes.0) && nodes.contains(&count_key.nodes.1)
                })
        };
        let mut by_reason: BTreeMap<MoveReason, u64> = BTreeMap::new();
        for (count_key, moves) in cross() {
            bump(&mut by_reason, reason(count_key.reason), *moves);
        }
        TaskMoves {
            total: Some(counts.task_moves.values().sum()),
            cross_llc: cross_llc(counts).filter(|_| measured.cache_moves),
            cross_node: Some(cross().map(|(_, moves)| *moves).sum()),
            cross_node_per_s: None,
            matrix: Some(matrix(
                cross().map(|(count_key, moves)| (count_key.nodes, *moves)),
                nodes,
            )),
            by_reason: Some(by_reason),
            ping_pong: Some(
                cross()
                    .filter(|(count_key, _)| count_key.back)
                    .map(|(_, moves)| *moves)
                    .sum(),
            ),
            to_waker: Some(
                cross()
                    .filter(|(count_key, _)| count_key.to_waker)
                    .map(|(_, moves)| *moves)
                    .sum(),
            ),
            stay_ms: counts
                .stays
                .shortest()
                .zip(counts.stays.percentile(50))
                .map(|(shortest, median)| Stay {
                    shortest: thousandths(shortest / 1000),
                    median: thousandths(median / 1000),
                }),
            cpus: (!counts.cpu_moves.is_empty()).then(|| {
                counts
                    .cpu_moves
                    .iter()
                    .map(|((from, to), moves)| CpuMoves {
                        from: *from,
                        to: *to,
                        moves: *moves,
                    })
                    .collect()
            }),
        }
    })
}

/// Returns the moves within a node that changed the last-level cache; `None` when the cache of a
/// CPU among them was not known.
fn cross_llc(counts: &Counts) -> Option<u64> {
    let within = counts
        .task_moves
        .iter()
        .filter(|(count_key, _)| count_key.nodes.0 == count_key.nodes.1);
    let across = within.map(|(count_key, moves)| {
        let across = count_key.across_caches?;
        Some(if across { *moves } else { 0 })
    });
    across.sum()
}

fn latency(times: &Histogram) -> Latency {
    Latency {
        p50: times.percentile(50).map(thousandths),
        p99: times.percentile(99).map(thousandths),
        max: times.longest().map(thousandths),
        histogram: times
            .iter()
            .map(|(ns, count)| LatencyBucket {
                us: thousandths(ns),
                count,
            })
            .collect(),
    }
}

/// Returns nanoseconds as microseconds, or microseconds as milliseconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "buckets are an eighth wide, so only the first digits mean anything"
)]
fn thousandths(count: u64) -> f64 {
    count as f64 / 1000.0
}

/// Returns the CPU time of an owner per node, ns.
pub fn run_ns(counts: &Counts, nodes: &[NodeId], measured: &Measured) -> Option<PerNode> {
    measured.run_ns.then(|| {
        let mut time = PerNode::zeros(nodes.len());
        for (node, ns) in &counts.run_ns {
            if let Some(at) = place(*node, nodes) {
                time.add_at(at, *ns);
            }
        }
        time
    })
}

/// Returns counts by pair of nodes; nodes that the host does not list are left out.
pub fn matrix(pairs: impl Iterator<Item = (NodePair, u64)>, nodes: &[NodeId]) -> Matrix {
    let mut matrix = Matrix::zeros(nodes.len());
    for ((from, to), count) in pairs {
        if let (Some(from), Some(to)) = (place(from, nodes), place(to, nodes)) {
            matrix.add_at(from, to, count);
        }
    }
    matrix
}

/// Returns the position of a node in arrays per node.
pub fn place(node: NodeId, nodes: &[NodeId]) -> Option<usize> {
    nodes.iter().position(|candidate| *candidate == node)
}

/// Returns the report's reason for one of the kernel side.
pub(crate) fn reason(wire: WireReason) -> MoveReason {
    match wire {
        WireReason::Wakeup => MoveReason::Wakeup,
        WireReason::LoadBalance => MoveReason::LoadBalance,
        WireReason::ActiveBalance => MoveReason::ActiveBalance,
        WireReason::NumaMove => MoveReason::NumaMove,
        WireReason::NumaSwap => MoveReason::NumaSwap,
        WireReason::Exec => MoveReason::Exec,
        WireReason::Fork => MoveReason::Fork,
        WireReason::Affinity => MoveReason::Affinity,
        WireReason::Cpuset => MoveReason::Cpuset,
        WireReason::Hotplug => MoveReason::Hotplug,
        WireReason::RtDl => MoveReason::RtDl,
        WireReason::Unknown => MoveReason::Unknown,
        WireReason::SchedExt => MoveReason::SchedExt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::count::MoveKey;

    const NODES: [NodeId; 2] = [NodeId(0), NodeId(3)];

    fn measured() -> Measured {
        Measured {
            page_cache: true,
            page_migrations: true,
            migration_nodes: true,
            task_moves: true,
            run_ns: true,
            migrate_reasons: vec!["compaction".into(), "memory_failure".into()],
            ..Measured::default()
        }
    }

    fn moved(from: u16, to: u16, reason: WireReason, back: bool) -> MoveKey {
        MoveKey {
            nodes: (NodeId(from), NodeId(to)),
            reason,
            back,
            to_waker: false,
            across_caches: None,
        }
    }

    #[test]
    fn moves_between_caches_count_within_a_node_where_every_cache_is_known() {
        let within = |across_caches| MoveKey {
            across_caches,
            ..moved(0, 0, WireReason::Wakeup, false)
        };
        let of = |keys: &[(MoveKey, u64)], cache_moves| {
            let counts = Counts {
                task_moves: keys.iter().copied().collect(),
                ..Counts::default()
            };
            let measured = Measured {
                cache_moves,
                ..measured()
            };
            task_moves(&counts, &NODES, &measured).unwrap().cross_llc
        };
        let between_nodes = (moved(0, 3, WireReason::Wakeup, false), 9);
        let known = [
            between_nodes,
            (within(Some(false)), 4),
            (within(Some(true)), 2),
        ];
        assert_eq!(of(&known, true), Some(2));
        assert_eq!(of(&[between_nodes], true), Some(0), "measured, and none");
        assert_eq!(of(&known, false), None, "each node has one cache");
        let mut unknown = known.to_vec();
        unknown.push((within(None), 1));
        assert_eq!(of(&unknown, true), None, "a CPU that came later");
    }

    #[test]
    fn only_cross_node_moves_have_reasons_and_a_place_in_the_matrix() {
        let counts = Counts {
            task_moves: BTreeMap::from([
                (moved(0, 0, WireReason::Wakeup, false), 7),
                (moved(0, 3, WireReason::Affinity, false), 2),
                (moved(3, 0, WireReason::Affinity, true), 1),
            ]),
            ..Counts::default()
        };
        let moves = task_moves(&counts, &NODES, &measured()).unwrap();
        assert_eq!(
            (moves.total, moves.cross_node, moves.ping_pong),
            (Some(10), Some(3), Some(1))
        );
        assert_eq!(
            moves.by_reason.unwrap(),
            BTreeMap::from([(MoveReason::Affinity, 3)])
        );
        assert_eq!(moves.matrix.unwrap().at(1, 0), 1);
    }

    #[test]
    fn a_quantity_that_no_hook_measured_is_null_and_not_zero() {
        let counts = Counts::default();
        assert_eq!(hint_faults(&counts, &NODES, &measured()), None);
        assert_eq!(
            run_ns(&counts, &NODES, &measured()),
            Some(PerNode(vec![0, 0]))
        );
    }

    #[test]
    fn migration_reasons_have_the_kernel_s_names() {
        let counts = Counts {
            page_migrations: BTreeMap::from([
                (((NodeId(0), NodeId(3)), 0), 512),
                (((NodeId(0), NodeId(3)), 9), 1),
            ]),
            ..Counts::default()
        };
        let migrations = page_migrations(&counts, &NODES, &measured()).unwrap();
        assert_eq!(
            migrations.by_reason.unwrap(),
            BTreeMap::from([("compaction".to_owned(), 512), ("reason_9".to_owned(), 1)])
        );
        assert_eq!(migrations.matrix.unwrap().at(0, 1), 513);
        let batches = Measured {
            migration_nodes: false,
            ..measured()
        };
        let migrations = page_migrations(&counts, &NODES, &batches).unwrap();
        assert_eq!(migrations.matrix, None, "a batch has no nodes");
        assert_eq!(migrations.by_reason.unwrap()["compaction"], 512);
    }
}
