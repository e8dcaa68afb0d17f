//! Findings about threads and pages that move: by whom, how often, and away from which memory.

use numatrace::ids::{NodeId, Tid};
use numatrace::model::finding::diagnose;
use numatrace::model::{
    BalancerVerdict, Balancing, Bind, BindWhat, Finding, FirstTouch, Matrix, MoveReason,
    PageMigrations, PerNode, Process, Snapshot, System, TaskMoves, Thread,
};

use crate::findings::ids;
use crate::fixture;

/// A program with moves, all of one reason.
fn mover(reason: MoveReason, cross: u64, back: u64) -> Process {
    let mut process = fixture::program(
        77,
        "worker",
        fixture::alloc(&[5_000, 0], &[0, 0], |causes| &mut causes.unknown),
    );
    process.task_moves = Some(TaskMoves {
        total: Some(cross * 2),
        cross_node: Some(cross),
        by_reason: Some([(reason, cross)].into()),
        ping_pong: Some(back),
        ..TaskMoves::default()
    });
    process.run_ns = Some(PerNode(vec![300_000_000, 700_000_000]));
    process
}

fn of_mover(process: Process) -> Vec<Finding> {
    let mut snapshot = fixture::quiet(2);
    snapshot.session.duration_s = 10.0;
    snapshot.processes = vec![process];
    diagnose(&snapshot)
        .into_iter()
        .filter(|finding| finding.id != "numa-is-not-your-problem")
        .collect()
}

#[test]
fn ping_pong_by_affinity_names_the_system_call() {
    let findings = of_mover(mover(MoveReason::Affinity, 200, 199));
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(findings[0].id, "ping-pong");
    assert!(
        findings[0].evidence[0].contains("199 of 200"),
        "{findings:#?}"
    );
    assert!(
        findings[0].fix.contains("sched_setaffinity"),
        "{findings:#?}"
    );
}

#[test]
fn moves_that_stay_are_no_ping_pong_and_few_moves_are_nothing() {
    assert!(of_mover(mover(MoveReason::Affinity, 200, 3)).is_empty());
    assert!(of_mover(mover(MoveReason::Wakeup, 19, 19)).is_empty());
}

#[test]
fn moves_by_the_scheduler_are_distinguished_by_reason() {
    let ids = |reason| -> Vec<String> {
        of_mover(mover(reason, 1_000, 0))
            .into_iter()
            .map(|finding| finding.id)
            .collect()
    };
    assert_eq!(ids(MoveReason::LoadBalance), ["load-balance-across-nodes"]);
    assert_eq!(ids(MoveReason::Wakeup), ["woken-across-nodes"]);
    assert!(ids(MoveReason::Cpuset).is_empty());
}

#[test]
fn time_away_counts_only_when_there_is_memory_to_be_away_from() {
    let mut process = mover(MoveReason::Wakeup, 2, 0);
    process.home_node = Some(NodeId(0));
    process.away_ns = Some(700_000_000);
    assert!(of_mover(process.clone()).is_empty());
    let mut pages = Matrix::zeros(2);
    pages.add_at(0, 0, 16_384);
    process.first_touch = Some(FirstTouch {
        pages: Some(pages),
        ..FirstTouch::default()
    });
    let findings = of_mover(process.clone());
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(findings[0].id, "ran-away-from-memory");
    assert_eq!(
        findings[0].evidence[0],
        "0.70 s of its 1.00 s of CPU time (70.0 %) were away from node 0"
    );
    assert!(
        findings[0].evidence[1].contains("64.0 MiB") || findings[0].evidence[1].contains("64 MiB"),
        "{findings:#?}"
    );
    assert!(
        findings[0].fix.contains("migratepages 77 0 1"),
        "{findings:#?}"
    );
    // Nearly as much memory is on the other node: there its threads are not away.
    let mut spread = process.clone();
    if let Some(pages) = spread
        .first_touch
        .as_mut()
        .and_then(|touch| touch.pages.as_mut())
    {
        pages.add_at(1, 1, 12_000);
    }
    assert!(of_mover(spread).is_empty());
    // A process that never moved has a first touch elsewhere; it did not run away.
    process.task_moves = Some(TaskMoves {
        cross_node: Some(0),
        ..TaskMoves::default()
    });
    assert!(of_mover(process).is_empty());
}

/// A quiet machine with page migrations.
fn migrating(by_reason: &[(&str, u64)], moved: u64, failed: u64, balancing: i64) -> Vec<String> {
    let mut matrix = Matrix::zeros(2);
    matrix.add_at(0, 1, moved);
    let mut snapshot = fixture::quiet(2);
    snapshot.host.numa_balancing = balancing.try_into().ok();
    snapshot.system = Some(System {
        page_migrations: Some(PageMigrations {
            matrix: Some(matrix),
            by_reason: Some(
                by_reason
                    .iter()
                    .map(|(reason, pages)| ((*reason).to_owned(), *pages))
                    .collect(),
            ),
            failed: Some(failed),
            ..PageMigrations::default()
        }),
        ..System::default()
    });
    ids(&snapshot)
}

#[test]
fn pages_that_could_not_be_moved_are_a_finding_when_they_are_many() {
    let found = |moved, failed| {
        migrating(&[("syscall", moved)], moved, failed, 1)
            .contains(&"migration-failures".to_owned())
    };
    assert!(found(1_000, 500));
    assert!(!found(100_000, 500), "half a percent");
    assert!(!found(100, 100), "a hundred pages");
}

#[test]
fn memory_that_moves_in_circles_is_churn_only_with_tiers() {
    let found = |down, up, balancing| {
        let by_reason = [("demotion", down), ("numa_misplaced", up)];
        migrating(&by_reason, down + up, 0, balancing).contains(&"tiering-churn".to_owned())
    };
    assert!(found(50_000, 40_000, 2));
    assert!(!found(50_000, 40_000, 1), "no tiering");
    assert!(!found(50_000, 4_100, 2), "one way");
}

/// A process with 64 MiB on node 0 and two threads of a second's work each, bound to these nodes.
fn bound_to(nodes: [usize; 2]) -> Snapshot {
    let mut snapshot = fixture::quiet(2);
    let mut process = fixture::program(
        77,
        "split",
        fixture::alloc(&[20_000, 0], &[0, 0], |causes| &mut causes.unknown),
    );
    let mut pages = Matrix::zeros(2);
    pages.add_at(0, 0, 16_384);
    process.first_touch = Some(FirstTouch {
        pages: Some(pages),
        ..FirstTouch::default()
    });
    process.home_node = Some(NodeId(0));
    let mut run = PerNode::zeros(2);
    for (at, node) in nodes.into_iter().enumerate() {
        let mut thread = Thread::new(Tid(77 + u32::try_from(at).unwrap()), "worker");
        let mut of_thread = PerNode::zeros(2);
        of_thread.add_at(node, 1_000_000_000);
        run.add(&of_thread);
        thread.run_ns = Some(of_thread);
        thread.binds = vec![Bind {
            range: None,
            what: BindWhat::Affinity,
            time_ns: 5,
            after_ns: 1,
        }];
        process.threads.push(thread);
    }
    process.away_ns = Some(run.at(1));
    process.run_ns = Some(run);
    process.task_moves = Some(TaskMoves {
        total: Some(1),
        cross_node: Some(1),
        by_reason: Some([(MoveReason::Affinity, 1)].into()),
        ..TaskMoves::default()
    });
    snapshot.processes = vec![process];
    fixture::audited(snapshot, 0)
}

#[test]
fn threads_bound_apart_from_their_memory_are_split_and_did_not_run_away() {
    let snapshot = bound_to([0, 1]);
    assert!(!ids(&snapshot).contains(&"ran-away-from-memory".to_owned()));
    let findings = diagnose(&snapshot);
    let finding = findings
        .iter()
        .find(|finding| finding.id == "affinity-split")
        .unwrap_or_else(|| panic!("{findings:#?}"));
    assert!(
        finding.evidence[0].contains(
            "1 thread bound to node 0 ran 1.00 s there; 1 thread bound to node 1 ran 1.00 s there"
        ),
        "{finding:#?}"
    );
    // They bind themselves: what they are started with does not change that.
    let names_the_call = finding.fix.contains("sched_setaffinity(2) by thread");
    assert!(
        names_the_call && !finding.fix.contains("--cpunodebind"),
        "{finding:#?}"
    );
}

#[test]
fn threads_bound_to_one_node_are_not_split() {
    assert!(!ids(&bound_to([0, 0])).contains(&"affinity-split".to_owned()));
    // Both are away from their memory: that is a different finding.
    let both = ids(&bound_to([1, 1]));
    assert!(!both.contains(&"affinity-split".to_owned()), "{both:?}");
    assert!(
        both.contains(&"ran-away-from-memory".to_owned()),
        "{both:?}"
    );
}

#[test]
fn balancing_that_hurts_is_a_finding_with_its_evidence() {
    let with = |verdict| {
        let mut snapshot = bound_to([0, 0]);
        snapshot.processes[0].balancer = Some(Balancing {
            verdict: Some(verdict),
            evidence: vec!["it moved 9,000 pages".to_owned()],
            ..Balancing::default()
        });
        snapshot
    };
    assert!(!ids(&with(BalancerVerdict::Helping)).contains(&"balancer-hurting".to_owned()));
    assert!(!ids(&with(BalancerVerdict::Neutral)).contains(&"balancer-hurting".to_owned()));
    let findings = diagnose(&with(BalancerVerdict::Hurting));
    let finding = findings
        .iter()
        .find(|finding| finding.id == "balancer-hurting")
        .unwrap();
    assert_eq!(finding.evidence, ["it moved 9,000 pages"]);
    assert!(
        finding.fix.contains("kernel.numa_balancing=0"),
        "{finding:#?}"
    );
}
