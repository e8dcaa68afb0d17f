//! Findings: that each speaks when its case is there, is silent when it is not, and says something one can do.

use numatrace::ids::{NodeId, Pid, Tid};
use numatrace::model::finding::diagnose;
use numatrace::model::{
    BalancerVerdict, Balancing, Bind, BindWhat, Finding, FirstTouch, Matrix, MoveReason,
    PageMigrations, PerNode, Process, Severity, Snapshot, System, TaskMoves, Thread, Verdict,
};

use crate::fixture;

fn ids(snapshot: &Snapshot) -> Vec<String> {
    diagnose(snapshot)
        .into_iter()
        .map(|finding| finding.id)
        .collect()
}

fn only(snapshot: &Snapshot) -> Finding {
    let mut findings = diagnose(snapshot);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0)
}

#[test]
fn a_policy_away_from_its_cpus_is_a_warning_with_both_ways_out() {
    let findings = diagnose(&fixture::two_nodes());
    let finding = findings
        .iter()
        .find(|finding| finding.id == "remote-by-policy")
        .unwrap();
    assert_eq!(
        (finding.severity, finding.pid),
        (Severity::Warning, Some(Pid(4242)))
    );
    assert!(
        finding.evidence[0].contains("51,000 of its 215,200 allocations (23.7 %)"),
        "{finding:#?}"
    );
    assert!(
        finding
            .fix
            .contains("numactl --cpunodebind=1 --membind=1 /usr/bin/app"),
        "{finding:#?}"
    );
    assert!(
        finding.fix.contains("migratepages 4242 1 0"),
        "{finding:#?}"
    );
}

#[test]
fn interleaving_is_remote_on_purpose_and_only_information() {
    let finding = only(&fixture::interleaved());
    assert_eq!(
        (finding.id.as_str(), finding.severity),
        ("remote-by-policy", Severity::Info)
    );
    assert!(finding.title.contains("on purpose"), "{finding:#?}");
}

#[test]
fn a_small_share_by_policy_is_not_worth_a_word() {
    let mut snapshot = fixture::quiet(2);
    let detail = fixture::alloc(&[100_000, 0], &[0, 1_000], |causes| &mut causes.policy);
    snapshot.processes = vec![fixture::program(1, "app", detail)];
    assert!(!ids(&snapshot).contains(&"remote-by-policy".to_owned()));
}

#[test]
fn a_full_node_is_named_with_who_was_turned_away() {
    let mut snapshot = fixture::quiet(2);
    let mut spilled = fixture::alloc(&[700, 0], &[0, 3_000], |causes| &mut causes.fallback);
    spilled.numa_hit = Some(PerNode(vec![700, 0]));
    spilled.numa_miss = Some(PerNode(vec![0, 3_000]));
    spilled.numa_foreign = Some(PerNode(vec![3_000, 0]));
    snapshot.processes = vec![fixture::program(911, "spill", spilled)];
    let finding = only(&fixture::audited(snapshot, 0));
    assert_eq!(finding.id, "node-full-fallback");
    assert_eq!(
        (finding.severity, finding.pid),
        (Severity::Critical, Some(Pid(911)))
    );
    assert_eq!(
        finding.evidence,
        [
            "3,000 of 3,700 allocations wanted on node 0 (81.1 %) were served elsewhere (numa_foreign)",
            "misses were served 3,000 by node 1 (numa_miss)",
            "turned away: spill (911) 3,000",
        ]
    );
    assert!(
        finding
            .fix
            .contains("numactl --cpunodebind=1 --membind=1 /usr/bin/app"),
        "{finding:#?}"
    );
}

#[test]
fn a_node_that_turned_a_few_away_is_not_full() {
    for (turned, wanted) in [(255, 700), (300, 40_000)] {
        let mut snapshot = fixture::quiet(2);
        let mut spilled = fixture::alloc(&[wanted, 0], &[0, turned], |causes| &mut causes.fallback);
        spilled.numa_hit = Some(PerNode(vec![wanted, 0]));
        spilled.numa_miss = Some(PerNode(vec![0, turned]));
        spilled.numa_foreign = Some(PerNode(vec![turned, 0]));
        snapshot.processes = vec![fixture::program(911, "spill", spilled)];
        let found = ids(&fixture::audited(snapshot, 0));
        assert!(
            !found.contains(&"node-full-fallback".to_owned()),
            "{found:?}"
        );
    }
}

#[test]
fn cpus_without_memory_are_named_with_their_nearest() {
    let finding = only(&fixture::memoryless());
    assert_eq!(
        (finding.id.as_str(), finding.severity),
        ("memoryless-node", Severity::Warning)
    );
    assert_eq!(
        finding.evidence,
        [
            "node 1 has 2 CPUs and no memory",
            "nearest memory of node 1: node 0",
            "6,000 allocations were remote because of that",
        ]
    );
    assert!(
        finding.fix.contains("numactl --cpunodebind=0 COMMAND"),
        "{finding:#?}"
    );
}

#[test]
fn one_node_is_said_plainly_and_alone() {
    let finding = only(&fixture::one_node());
    assert_eq!(
        (finding.id.as_str(), finding.severity),
        ("one-node", Severity::Info)
    );
}

#[test]
fn all_is_well_is_said_with_what_was_not_measured() {
    let finding = only(&fixture::well_placed());
    assert_eq!(finding.id, "numa-is-not-your-problem");
    assert_eq!(
        finding.evidence.last().unwrap(),
        "not measured: first touch, hint faults, moves between nodes"
    );
}

#[test]
fn all_is_well_is_not_said_of_a_quiet_a_remote_or_a_doubtful_session() {
    assert_eq!(
        ids(&fixture::quiet(2)),
        Vec::<String>::new(),
        "nothing was measured"
    );

    let mut quiet = fixture::quiet(2);
    quiet.processes = vec![fixture::program(
        1,
        "app",
        fixture::alloc(&[900, 0], &[0, 0], |c| &mut c.unknown),
    )];
    assert_eq!(
        ids(&quiet),
        Vec::<String>::new(),
        "too little was allocated"
    );

    let mut remote = fixture::quiet(2);
    let a_tenth = fixture::alloc(&[90_000, 0], &[0, 10_000], |causes| &mut causes.task_moved);
    remote.processes = vec![fixture::program(1, "app", a_tenth)];
    assert_eq!(ids(&remote), Vec::<String>::new(), "a tenth was remote");

    let mut doubtful = fixture::well_placed();
    doubtful.audit.verdict = Verdict::Failed;
    assert_eq!(ids(&doubtful), Vec::<String>::new(), "the audit failed");
}

#[test]
fn remote_use_of_local_memory_speaks_against_it() {
    let mut snapshot = fixture::launched();
    let process = snapshot.processes.first_mut().unwrap();
    process.alloc = Some(fixture::alloc(&[16_500, 0], &[0, 0], |causes| {
        &mut causes.unknown
    }));
    assert!(
        !ids(&snapshot).contains(&"numa-is-not-your-problem".to_owned()),
        "8,100 of 8,100 hint faults are far"
    );
}

#[test]
fn every_finding_has_evidence_and_a_fix_and_the_worst_comes_first() {
    for (name, snapshot) in fixture::all() {
        assert!(
            snapshot
                .findings
                .is_sorted_by_key(|finding| finding.severity),
            "{name}"
        );
        for finding in &snapshot.findings {
            assert!(
                !finding.evidence.is_empty() && !finding.fix.is_empty(),
                "{name}: {finding:#?}"
            );
        }
    }
}

#[test]
fn a_fix_never_repeats_what_a_shell_would_run() {
    let mut snapshot = fixture::two_nodes();
    let process = snapshot.processes.first_mut().unwrap();
    process.exe = Some("/tmp/$(reboot)".into());
    process.comm = "`reboot`".into();
    let findings = diagnose(&snapshot);
    let finding = findings
        .iter()
        .find(|finding| finding.id == "remote-by-policy")
        .unwrap();
    assert!(
        !finding.fix.contains("reboot") && finding.fix.contains("--membind=1 COMMAND"),
        "{finding:#?}"
    );
}

/// A program with moves, all of one reason.
#[test]
fn a_fix_puts_no_numactl_around_the_numactl_that_was_launched() {
    let mut snapshot = fixture::two_nodes();
    let launched = ["/usr/bin/numactl", "--membind=0", "/usr/bin/app"];
    snapshot.session.scope.launched = launched.map(Into::into).to_vec();
    let findings = diagnose(&snapshot);
    assert!(!findings.is_empty());
    let fixes = findings.iter().flat_map(|finding| finding.fix.split(';'));
    for fix in fixes {
        assert!(fix.matches("numactl").count() < 2, "{fix}");
    }
}

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
fn bouncing_by_affinity_says_who_to_look_for() {
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
fn the_scheduler_s_own_moves_are_told_by_their_reason() {
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
        "0.70 s of its 1.00 s of CPU time (70.0 %) were on other nodes than node 0"
    );
    assert!(
        findings[0].evidence[1].contains("64.0 MiB") || findings[0].evidence[1].contains("64 MiB"),
        "{findings:#?}"
    );
    assert!(
        findings[0].fix.contains("migratepages 77 0 1"),
        "{findings:#?}"
    );
    // Nearly as much on the other node: its threads belong there too.
    let mut spread = process.clone();
    if let Some(pages) = spread
        .first_touch
        .as_mut()
        .and_then(|touch| touch.pages.as_mut())
    {
        pages.add_at(1, 1, 12_000);
    }
    assert!(of_mover(spread).is_empty());
    // Never moved: that is a first touch elsewhere, not running away.
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
fn pages_that_stay_are_told_when_they_are_many() {
    let told = |moved, failed| {
        migrating(&[("syscall", moved)], moved, failed, 1)
            .contains(&"migration-failures".to_owned())
    };
    assert!(told(1_000, 500));
    assert!(!told(100_000, 500), "half a percent");
    assert!(!told(100, 100), "a hundred pages");
}

#[test]
fn memory_that_goes_round_is_churn_only_where_there_are_tiers() {
    let told = |down, up, balancing| {
        let by_reason = [("demotion", down), ("numa_misplaced", up)];
        migrating(&by_reason, down + up, 0, balancing).contains(&"tiering-churn".to_owned())
    };
    assert!(told(50_000, 40_000, 2));
    assert!(!told(50_000, 40_000, 1), "no tiering");
    assert!(!told(50_000, 4_100, 2), "one way");
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
        let mut own = PerNode::zeros(2);
        own.add_at(node, 1_000_000_000);
        run.add(&own);
        thread.run_ns = Some(own);
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
    assert!(
        finding.fix.contains("--cpunodebind=0 --membind=0"),
        "{finding:#?}"
    );
}

#[test]
fn threads_bound_to_one_node_are_not_split() {
    assert!(!ids(&bound_to([0, 0])).contains(&"affinity-split".to_owned()));
    // Both away from their memory: that is another story.
    let both = ids(&bound_to([1, 1]));
    assert!(!both.contains(&"affinity-split".to_owned()), "{both:?}");
    assert!(
        both.contains(&"ran-away-from-memory".to_owned()),
        "{both:?}"
    );
}

#[test]
fn balancing_that_hurts_is_told_with_what_goes_to_and_fro() {
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
