//! Findings about where memory lies and where threads run: no all-clear that was not earned.

use numatrace::ids::{NodeId, Pid};
use numatrace::model::finding::{Finding, checks::checks, diagnose};
use numatrace::model::{Severity, Snapshot, TaskMoves};
use numatrace::output::text::TextOptions;

use crate::fixture;

fn only(snapshot: &Snapshot) -> Finding {
    let findings = diagnose(snapshot);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.into_iter().next().unwrap()
}

fn has(list: &[String], words: &str) {
    assert!(
        list.iter().any(|sentence| sentence.contains(words)),
        "{words}: {list:#?}"
    );
}

#[test]
fn memory_that_was_elsewhere_before_the_session_is_critical_without_a_move() {
    let finding = only(&fixture::settled());
    assert_eq!(finding.id, "ran-away-from-memory");
    assert_eq!(
        (finding.severity, finding.pid),
        (Severity::Critical, Some(Pid(4242)))
    );
    assert_eq!(
        finding.title,
        "app (4242) runs on node 0; 64.0 MiB of its memory have been on node 1 since before the \
         session"
    );
    has(
        &finding.evidence,
        "10.00 s of its 10.00 s of CPU time (100 %) were away from node 1",
    );
    has(
        &finding.evidence,
        "64.0 MiB of the 64.5 MiB resident are on node 1",
    );
    has(
        &finding.evidence,
        "64.0 MiB 3.0 ms after the session began, 64.0 MiB 10.00 s after it",
    );
    has(&finding.evidence, "NUMA balancing is off");
    has(&finding.evidence, "no thread of it moved between nodes");
    assert!(
        finding.fix.contains("migratepages 4242 1 0"),
        "{}",
        finding.fix
    );
    assert!(
        finding.fix.contains("--cpunodebind=1 --membind=1"),
        "{}",
        finding.fix
    );
}

#[test]
fn a_process_that_may_not_run_where_its_memory_is_is_bound() {
    let mut snapshot = fixture::settled();
    let residency = snapshot.processes[0].residency.as_mut().unwrap();
    residency.nodes_allowed = Some(vec![NodeId(0)]);
    assert_eq!(
        only(&snapshot).title,
        "app (4242) is bound to node 0, and 64.0 MiB of its memory are on node 1"
    );
}

#[test]
fn a_process_that_was_moved_left_its_memory() {
    let mut snapshot = fixture::settled();
    snapshot.processes[0].task_moves = Some(TaskMoves {
        total: Some(1),
        cross_node: Some(1),
        ..TaskMoves::default()
    });
    let finding = only(&snapshot);
    assert_eq!(
        finding.title,
        "app (4242) left 64.0 MiB of its memory on node 1"
    );
    has(&finding.evidence, "1 move between nodes");
}

#[test]
fn a_process_that_works_for_a_tenth_of_the_time_is_a_warning() {
    let mut snapshot = fixture::settled();
    snapshot.processes[0].run_ns = Some(numatrace::model::PerNode(vec![500_000_000, 0]));
    snapshot.processes[0].away_ns = Some(500_000_000);
    assert_eq!(only(&snapshot).severity, Severity::Warning);
}

#[test]
fn local_memory_that_was_looked_at_earns_the_acquittal() {
    let mut snapshot = fixture::settled();
    let app = &mut snapshot.processes[0];
    fixture::resident(app, &[10_000_000_000, 0], &[16_384, 120], &[16_384, 130]);
    let finding = only(&snapshot);
    assert_eq!(finding.id, "numa-is-not-your-problem");
    assert_eq!(
        finding.title,
        "NUMA is not the problem of app (4242) in this session"
    );
    has(&finding.evidence, "memory lies where it is used");
}

#[test]
fn without_a_look_at_existing_memory_the_acquittal_is_of_new_allocations_only() {
    let mut snapshot = fixture::settled();
    let app = &mut snapshot.processes[0];
    (app.residency, app.placement_mismatch) = (None, None);
    (app.home_node, app.away_ns) = (None, None);
    let finding = only(&snapshot);
    assert_eq!(finding.id, "numa-is-not-your-problem");
    assert_eq!(
        finding.title,
        "new allocations of app (4242) in this session are local; where existing memory lies was \
         not checked"
    );
    assert!(finding.fix.contains("--no-residency"), "{}", finding.fix);
}

#[test]
fn a_reading_that_was_not_made_is_named_with_its_reason() {
    let mut snapshot = fixture::settled();
    let app = &mut snapshot.processes[0];
    app.placement_mismatch = None;
    (app.home_node, app.away_ns) = (None, None);
    let residency = app.residency.as_mut().unwrap();
    (residency.first, residency.last) = (None, None);
    residency.gap = Some("cut: the reading took too long".to_owned());
    let finding = only(&snapshot);
    assert!(
        finding.title.contains("was not checked"),
        "{}",
        finding.title
    );
    let text = numatrace::output::text::render(&snapshot, &TextOptions::default());
    let note = "Memory of app (4242): cut: the reading took too long.";
    assert!(text.contains(note), "{text}");
    assert!(
        finding.fix.contains("of app (4242): cut"),
        "{}",
        finding.fix
    );
}

#[test]
fn a_part_of_the_memory_elsewhere_is_neither_a_finding_nor_an_acquittal() {
    let mut snapshot = fixture::settled();
    let app = &mut snapshot.processes[0];
    fixture::resident(
        app,
        &[10_000_000_000, 0],
        &[10_000, 6_000],
        &[10_000, 6_000],
    );
    assert_eq!(diagnose(&snapshot), []);
    let checks = checks(&snapshot);
    has(&checks.checked, "memory and CPU time are 37.5 % apart");
}

#[test]
fn the_checks_of_a_report_without_findings_say_how_to_check_the_rest() {
    let snapshot = fixture::quiet(2);
    let checks = checks(&snapshot);
    assert_eq!(checks.checked, Vec::<String>::new());
    has(
        &checks.not_checked,
        "where existing memory lies: leave out --no-residency",
    );
    has(&checks.not_checked, "numatrace doctor");
}

#[test]
fn the_steady_offender_is_ranked_first() {
    let mut snapshot = fixture::settled();
    // A process with many remote allocations and its memory where it runs.
    let remote = fixture::alloc(&[9_000, 0], &[0, 9_000], |causes| &mut causes.task_moved);
    let mut other = fixture::program(1, "other", remote);
    fixture::resident(&mut other, &[5_000_000_000, 0], &[9_000, 80], &[9_000, 80]);
    snapshot.processes.insert(0, other);
    let ranked: Vec<u32> = snapshot
        .ranked()
        .iter()
        .map(|process| process.pid.0)
        .collect();
    assert_eq!(ranked, [4242, 1]);
}

#[test]
fn a_policy_that_puts_memory_elsewhere_is_one_finding_with_the_worse_severity() {
    let mut snapshot = fixture::settled();
    let by_policy = fixture::alloc(&[40_000, 0], &[0, 9_000], |causes| &mut causes.policy);
    snapshot.processes[0].alloc = Some(by_policy);
    let finding = only(&snapshot);
    assert_eq!(
        (finding.id.as_str(), finding.severity),
        ("remote-by-policy", Severity::Critical)
    );
}

#[test]
fn the_odd_move_of_an_idle_thread_does_not_explain_where_a_process_runs() {
    let mut snapshot = fixture::settled();
    let app = &mut snapshot.processes[0];
    let moves = |crossed| {
        Some(TaskMoves {
            total: Some(crossed),
            cross_node: Some(crossed),
            ..TaskMoves::default()
        })
    };
    app.task_moves = moves(1);
    for (tid, away_ns, crossed) in [(4242, 9_900_000_000, 0), (4243, 100_000_000, 1)] {
        let mut thread = numatrace::model::Thread::new(numatrace::ids::Tid(tid), "t");
        (thread.away_ns, thread.task_moves) = (Some(away_ns), moves(crossed));
        app.threads.push(thread);
    }
    let finding = only(&snapshot);
    assert!(
        finding.title.contains("since before the session"),
        "{}",
        finding.title
    );
    has(
        &finding.evidence,
        "1 move between nodes, of threads that ran little",
    );
}
