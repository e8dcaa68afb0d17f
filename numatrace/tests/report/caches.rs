//! Moves between last-level caches beside the findings that NUMA is not the problem: said where
//! they were measured, and only there.

use numatrace::model::cache::Cache;
use numatrace::model::finding::{diagnose, fix::FixKind};
use numatrace::model::quantity::{Measured, Measures, find};
use numatrace::model::{Finding, Snapshot};
use numatrace::output::text::{TextOptions, render};

use crate::fixture::{self, caches::caches, caches::eight_caches, caches::moves};

fn only(snapshot: &Snapshot, id: &str) -> Finding {
    let mut findings = diagnose(snapshot);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(findings[0].id, id);
    findings.remove(0)
}

/// Returns what the finding of a machine with one node says about caches.
fn said(snapshot: &Snapshot) -> Vec<String> {
    let finding = only(snapshot, "one-node");
    let about = |line: &String| line.contains("still cost");
    assert!(finding.evidence.len() > 1, "{finding:#?}");
    finding.evidence.into_iter().filter(about).collect()
}

/// Returns the machine with other moves of the system.
fn with_moves(total: u64, cross_llc: Option<u64>) -> Snapshot {
    let mut snapshot = eight_caches();
    let system = snapshot.system.as_mut().unwrap();
    system.task_moves = Some(moves(total, cross_llc));
    snapshot
}

fn with_caches(caches: Option<Vec<Cache>>) -> Snapshot {
    Snapshot {
        host: numatrace::model::Host {
            caches,
            ..eight_caches().host
        },
        ..eight_caches()
    }
}

#[test]
fn one_node_of_eight_caches_says_what_moves_between_them_cost() {
    let snapshot = eight_caches();
    assert_eq!(
        said(&snapshot),
        [
            "8 L3 domains: moves between them still cost: 1,300 of 6,000 moves of threads between \
          CPUs"
        ]
    );
    let finding = only(&snapshot, "one-node");
    let fix = finding.fixes.last().unwrap();
    assert_eq!(fix.kind, FixKind::RunCommand);
    assert_eq!(fix.commands, ["taskset -c 0-7 COMMAND"]);
    assert!(fix.text.contains("at most 8 busy threads"), "{fix:#?}");
}

#[test]
fn a_launched_program_is_kept_within_a_cache_with_the_memory_that_it_was_given() {
    let mut snapshot = eight_caches();
    snapshot.processes[0].task_moves = Some(moves(6_000, Some(1_300)));
    for (words, start) in [
        (&["app", "a b"][..], "taskset -c 0-7 app 'a b'"),
        (
            &["numactl", "-C", "0", "--localalloc", "app"],
            "taskset -c 0-7 numactl --localalloc app",
        ),
        (&["taskset", "-c", "1", "app"], "taskset -c 0-7 app"),
    ] {
        snapshot.session.scope.launched = words.iter().map(|&word| word.into()).collect();
        let finding = only(&snapshot, "one-node");
        assert_eq!(finding.fixes.last().unwrap().commands, [start]);
    }
}

#[test]
fn a_session_about_a_process_has_the_moves_of_that_process() {
    let mut snapshot = eight_caches();
    snapshot.session.scope.pids = vec![snapshot.processes[0].pid];
    let said = said(&snapshot);
    assert!(said[0].contains("1,234 of 5,678"), "{said:?}");
}

#[test]
fn few_moves_or_none_are_counted_and_need_no_advice() {
    assert_eq!(
        said(&with_moves(90, Some(0))),
        ["8 L3 domains: moves between them still cost: there were none"]
    );
    for few in [0, 1, 99] {
        let finding = only(&with_moves(200, Some(few)), "one-node");
        assert_eq!(finding.fixes.len(), 1, "{few}: {finding:#?}");
    }
    let finding = only(&with_moves(200, Some(101)), "one-node");
    assert_eq!(finding.fixes.len(), 2, "in ten seconds: {finding:#?}");
}

#[test]
fn nothing_is_said_about_moves_that_were_not_measured() {
    let none: [String; 0] = [];
    assert_eq!(said(&with_moves(6_000, None)), none, "a CPU came later");
    let mut snapshot = eight_caches();
    snapshot.system = None;
    assert_eq!(said(&snapshot), none, "without the hook");
    // Counts that a node of one cache cannot have, to see that the caches decide as well.
    assert_eq!(said(&with_caches(None)), none, "sysfs does not tell");
    assert_eq!(
        said(&with_caches(Some(caches(1, 1, 64)))),
        none,
        "one cache"
    );
    assert_eq!(
        said(&with_caches(Some(caches(1, 64, 1)))),
        none,
        "each its own"
    );
}

#[test]
fn caches_of_different_levels_are_no_l3_domains() {
    let mut mixed = caches(1, 2, 8);
    mixed[1].level = 2;
    let said = said(&with_caches(Some(mixed)));
    assert!(
        said[0].starts_with("2 last-level caches: moves"),
        "{said:?}"
    );
}

#[test]
fn two_nodes_of_several_caches_say_that_they_mean_moves_within_a_node() {
    let mut snapshot = fixture::well_placed();
    let about = |snapshot: &Snapshot| {
        let finding = only(snapshot, "numa-is-not-your-problem");
        let mut evidence = finding.evidence.into_iter();
        (
            evidence.find(|line| line.contains("still cost")),
            finding.fixes,
        )
    };
    assert_eq!(about(&snapshot).0, None);
    snapshot.host.caches = Some(caches(2, 2, 2));
    assert_eq!(about(&snapshot).0, None, "not measured");
    let system = numatrace::model::System {
        task_moves: Some(moves(500, Some(420))),
        ..Default::default()
    };
    snapshot.system = Some(system);
    let (evidence, fixes) = about(&snapshot);
    assert_eq!(
        evidence.unwrap(),
        "4 L3 domains: moves between those of a node still cost: 420 of 500 moves of threads \
         between CPUs"
    );
    assert_eq!(fixes.last().unwrap().commands, ["taskset -c 0-1 COMMAND"]);
}

#[test]
fn the_column_is_there_only_where_moves_between_caches_were_measured() {
    let page = |snapshot| render(&snapshot, &TextOptions::default());
    assert!(page(eight_caches()).contains("LLC moves"));
    let mut snapshot = eight_caches();
    snapshot.processes[0].task_moves = Some(moves(5_678, None));
    assert!(!page(snapshot).contains("LLC moves"));
}

#[test]
fn limits_and_comparisons_know_moves_between_caches() {
    let quantity = find("cross_llc_moves").unwrap();
    let of = |snapshot| (quantity.read)(&Measures::of_machine(&snapshot));
    assert_eq!(of(eight_caches()), Some(Measured::Count(1_300)));
    assert_eq!(of(fixture::one_node()), None, "not measured is not 0");
}
