//! The audit: traced totals compared with the kernel's, counter by counter, and the causes of each
//! difference.

use crate::{
    attach::catalog::ALLOC_BULK,
    capture::sys::numastat::NodeCounters,
    fold::window::{Boundary, Window},
    ids::NodeId,
    model::{
        Alloc, Audit, AuditNode, Cause, Counter, CounterAudit, Equations, Explained, PerNode,
        Verdict,
    },
};

/// Known causes of differences in a session.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Runs of the allocation programs that the kernel skipped: at most that many events are
    /// missing.
    pub recursion_misses: u64,
    /// Misses between the readings of two nodes.
    pub foreign_at_boundary: u64,
    /// CPUs: at the instant of a reading each can have one allocation in flight.
    pub cpus: u64,
    /// Allocations of tasks that changed their node in the middle: the kernel may have counted them
    /// before the change, as local, and numatrace after it, as other.
    pub cpu_changed: u64,
    /// Moves of tasks between nodes, where a memory policy is in use: what it placed shows no such
    /// change, and each move can have been in the middle of one allocation.
    pub moves_under_policy: u64,
    /// Events for which no table had room.
    pub totals_lost: u64,
    /// Hooks of the accounting that are reduced or absent: name, and the events that are missing.
    pub hooks_lost: Vec<(String, String)>,
    /// Bulk allocations where their hook is not in place, estimated: `pgalloc_*` less the pages
    /// that were traced. They take base pages, so each page is an allocation.
    pub bulk_unseen: Option<u64>,
    /// Allocations whose page seems to lie on a node where it cannot.
    pub node_misread: u64,
    /// Whether counts would not stand still while a sweep read them: some may have been read twice
    /// or missed.
    pub unsettled: bool,
    /// Whether `vm.numa_stat` was written to: the kernel's counters may have restarted from zero.
    pub switched: bool,
}

/// Compares the traced totals of a closed window with the kernel's. `nodes` are in the report's
/// order.
pub fn audit(window: &Window, traced: &Alloc, nodes: &[NodeId], evidence: &Evidence) -> Audit {
    let Some(end) = &window.end else {
        return Audit::unavailable("the session has no end yet");
    };
    if let Some(node) = went_backwards(&window.start, end) {
        return Audit::unavailable(format!(
            "the counters of node {node} went backwards: vm.numa_stat was switched during the \
             session"
        ));
    }
    let compared: Vec<AuditNode> = nodes
        .iter()
        .enumerate()
        .map(|(at, node)| {
            AuditNode::new(*node, |counter| {
                let kernel = delta(&window.start, end, *node, counter);
                CounterAudit::new(
                    kernel,
                    traced
                        .counter(counter)
                        .map(|values: &PerNode| values.at(at)),
                )
            })
        })
        .collect();
    let judged = judge(compared, evidence);
    if matches!(judged.verdict, Verdict::Failed | Verdict::Approximate) && evidence.switched {
        return Audit::unavailable(
            "vm.numa_stat was switched during the session: the kernel's counters restarted from \
             zero",
        );
    }
    judged
}

/// Returns the verdict, the causes, and the rest that no cause explains.
fn judge(nodes: Vec<AuditNode>, evidence: &Evidence) -> Audit {
    let residual = |counter: Counter| -> u64 {
        nodes
            .iter()
            .filter_map(|node| node.counter(counter).residual)
            .map(i64::unsigned_abs)
            .sum()
    };
    let largest = Counter::ALL.into_iter().map(residual).max().unwrap_or(0);
    let misses = evidence
        .recursion_misses
        .saturating_add(evidence.totals_lost);
    // One allocation per CPU can be in flight at each of the two ends, and it changes at most two
    // nodes' counters.
    let in_flight = evidence.cpus.saturating_mul(2);
    let at_boundary = largest
        .saturating_sub(misses)
        .min(in_flight.saturating_add(evidence.foreign_at_boundary));
    let cpu_changed = evidence.cpu_changed.saturating_add(
        residual(Counter::LocalNode)
            .saturating_sub(misses.saturating_add(in_flight))
            .div_ceil(2)
            .saturating_sub(evidence.cpu_changed)
            .min(evidence.moves_under_policy),
    );
    let unexplained = Counter::ALL
        .into_iter()
        .map(|counter| {
            let of_this_counter = match counter {
                Counter::NumaForeign => evidence.foreign_at_boundary,
                Counter::LocalNode | Counter::OtherNode => cpu_changed.saturating_mul(2),
                _ => 0,
            };
            let unseen = evidence.bulk_unseen.unwrap_or(0);
            residual(counter).saturating_sub(
                misses
                    .saturating_add(in_flight)
                    .saturating_add(of_this_counter)
                    .saturating_add(unseen),
            )
        })
        .sum::<u64>();

    let mut explained = vec![
        Explained::new(Cause::RecursionMisses, misses.min(largest)),
        Explained::new(Cause::SnapshotEdge, at_boundary),
        Explained::new(Cause::CpuChanged, cpu_changed),
    ];
    explained.extend(evidence.hooks_lost.iter().map(|(hook, _)| Explained {
        cause: Cause::HookLost,
        count: evidence.bulk_unseen.filter(|_| hook == ALLOC_BULK),
        hook: Some(hook.clone()),
    }));

    let (verdict, why) = if !evidence.hooks_lost.is_empty() {
        let lost: Vec<String> = evidence
            .hooks_lost
            .iter()
            .map(|(hook, hides)| match evidence.bulk_unseen {
                Some(unseen) if hook == ALLOC_BULK => {
                    format!("{hook}: {hides}; here about {unseen}, by pgalloc_* in /proc/vmstat")
                }
                _ => format!("{hook}: {hides}"),
            })
            .collect();
        (Verdict::Approximate, Some(lost.join("; ")))
    } else if unexplained > 0 || evidence.unsettled || evidence.node_misread > 0 {
        let why = if evidence.node_misread > 0 {
            format!(
                "{} allocations seem to lie where they cannot: this kernel keeps a page's node in \
                 a different place than its BTF says",
                evidence.node_misread
            )
        } else if evidence.unsettled {
            "the per-CPU counts would not stand still while they were read".to_owned()
        } else {
            format!(
                "{unexplained} allocations differ and no known cause explains them: do not trust \
                 these counts"
            )
        };
        (Verdict::Failed, Some(why))
    } else if largest <= at_boundary {
        (Verdict::Exact, None)
    } else {
        (Verdict::WithinMisses, None)
    };
    Audit {
        verdict,
        why,
        equations: Equations::of(&nodes),
        nodes,
        explained,
        unexplained: Some(unexplained),
        cross_check: Vec::new(),
    }
}

fn went_backwards(start: &Boundary, end: &Boundary) -> Option<NodeId> {
    start.nodes.iter().find_map(|(node, (_, before))| {
        let (_, after) = end.nodes.get(node)?;
        Counter::ALL
            .into_iter()
            .any(|counter| value(after, counter) < value(before, counter))
            .then_some(*node)
    })
}

fn delta(start: &Boundary, end: &Boundary, node: NodeId, counter: Counter) -> Option<u64> {
    let (_, before) = start.nodes.get(&node)?;
    let (_, after) = end.nodes.get(&node)?;
    value(after, counter).checked_sub(value(before, counter))
}

fn value(numastat: &NodeCounters, counter: Counter) -> u64 {
    match counter {
        Counter::NumaHit => numastat.numa_hit,
        Counter::NumaMiss => numastat.numa_miss,
        Counter::NumaForeign => numastat.numa_foreign,
        Counter::InterleaveHit => numastat.interleave_hit,
        Counter::LocalNode => numastat.local_node,
        Counter::OtherNode => numastat.other_node,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn window(delta: u64) -> Window {
        let at = |value| Boundary {
            nodes: BTreeMap::from([(
                NodeId(0),
                (
                    1,
                    NodeCounters {
                        numa_hit: value,
                        local_node: value,
                        ..NodeCounters::default()
                    },
                ),
            )]),
            system: None,
        };
        let mut window = Window::new(at(1000));
        window.close(at(1000 + delta));
        window
    }

    fn traced(count: u64) -> Alloc {
        Alloc {
            numa_hit: Some(PerNode(vec![count])),
            local_node: Some(PerNode(vec![count])),
            ..Alloc::zeros(1)
        }
    }

    fn result(kernel: u64, ours: u64, evidence: &Evidence) -> Audit {
        audit(&window(kernel), &traced(ours), &[NodeId(0)], evidence)
    }

    #[test]
    fn equal_is_exact() {
        let audit = result(500, 500, &Evidence::default());
        assert_eq!(
            (audit.verdict, audit.unexplained),
            (Verdict::Exact, Some(0))
        );
    }

    #[test]
    fn a_lost_probe_is_a_failed_audit() {
        let evidence = Evidence {
            cpus: 4,
            ..Evidence::default()
        };
        let audit = result(500, 100, &evidence);
        assert_eq!(audit.verdict, Verdict::Failed);
        assert!(audit.unexplained.unwrap() > 0);
        assert!(audit.why.unwrap().contains("do not trust"));
    }

    #[test]
    fn runs_that_the_kernel_skipped_explain_a_difference() {
        let evidence = Evidence {
            recursion_misses: 10,
            ..Evidence::default()
        };
        assert_eq!(result(510, 500, &evidence).verdict, Verdict::WithinMisses);
        assert_eq!(result(511, 500, &evidence).verdict, Verdict::Failed);
    }

    #[test]
    fn moves_between_nodes_explain_local_pages_of_a_policy_and_nothing_else() {
        let moved = |hit: u64, local: u64, moves: u64| {
            let counts = Alloc {
                numa_hit: Some(PerNode(vec![hit])),
                local_node: Some(PerNode(vec![local])),
                other_node: Some(PerNode(vec![500 - local])),
                ..Alloc::zeros(1)
            };
            let evidence = Evidence {
                moves_under_policy: moves,
                ..Evidence::default()
            };
            audit(&window(500), &counts, &[NodeId(0)], &evidence)
        };
        assert_eq!(moved(500, 490, 0).verdict, Verdict::Failed);
        let explained = moved(500, 490, 100);
        assert_eq!(explained.unexplained, Some(0));
        assert!(
            explained
                .explained
                .contains(&Explained::new(Cause::CpuChanged, 5)),
            "{explained:?}"
        );
        assert_eq!(moved(500, 490, 3).verdict, Verdict::Failed);
        assert_eq!(moved(490, 490, 100).verdict, Verdict::Failed, "hits");
    }

    #[test]
    fn a_few_in_flight_are_the_snapshot_edge_and_bounded_by_the_cpus() {
        let evidence = Evidence {
            cpus: 2,
            ..Evidence::default()
        };
        let audit = result(500, 503, &evidence);
        assert_eq!(audit.verdict, Verdict::Exact);
        assert!(
            audit
                .explained
                .contains(&Explained::new(Cause::SnapshotEdge, 3))
        );
        assert_eq!(result(500, 505, &evidence).verdict, Verdict::Failed);
    }

    #[test]
    fn counters_that_went_backwards_make_it_unavailable() {
        let mut window = window(0);
        window
            .end
            .as_mut()
            .unwrap()
            .nodes
            .get_mut(&NodeId(0))
            .unwrap()
            .1
            .numa_hit = 5;
        let audit = audit(&window, &traced(0), &[NodeId(0)], &Evidence::default());
        assert_eq!(audit.verdict, Verdict::Unavailable);
        assert!(audit.why.unwrap().contains("vm.numa_stat"));
    }

    #[test]
    fn a_switch_that_was_touched_matters_only_when_the_counts_do_not_close() {
        let evidence = Evidence {
            switched: true,
            ..Evidence::default()
        };
        assert_eq!(result(500, 500, &evidence).verdict, Verdict::Exact);
        assert_eq!(result(300, 500, &evidence).verdict, Verdict::Unavailable);
    }

    #[test]
    fn bulk_allocations_that_nobody_sees_are_estimated_and_named() {
        let evidence = Evidence {
            hooks_lost: vec![(ALLOC_BULK.into(), "bulk allocations are missing".into())],
            bulk_unseen: Some(19),
            ..Evidence::default()
        };
        let audit = result(500, 480, &evidence);
        assert_eq!(
            (audit.verdict, audit.unexplained),
            (Verdict::Approximate, Some(2)),
            "one hit and one local more than estimated"
        );
        assert!(audit.why.unwrap().contains("here about 19"));
        let named = audit.explained.last().unwrap();
        assert_eq!((named.cause, named.count), (Cause::HookLost, Some(19)));
    }

    #[test]
    fn a_fallback_hook_is_approximate_and_named() {
        let evidence = Evidence {
            hooks_lost: vec![("page_alloc".into(), "bulk allocations are missing".into())],
            ..Evidence::default()
        };
        let audit = result(500, 480, &evidence);
        assert_eq!(audit.verdict, Verdict::Approximate);
        assert!(audit.why.unwrap().contains("bulk"));
    }
}
