//! The output of `numatrace events` for known loads: sums of allocations and first touches, and an
//! absence.

use std::process::Command;

use nix::sys::signal::Signal;
use numatrace_tests::harness::{
    programs,
    running::Running,
    skipped,
    tracer::{DEADLINE, READY},
    truth::Truth,
};
use numatrace_tests::test_name;
use serde_json::Value;

use crate::two_nodes_or_skip;

/// Pages that a workload allocates besides those of its scenario: page tables, its program, stack
/// and I/O.
const OWN: u64 = 70;

/// Returns the events during a workload, and its ground truth; `None` when this machine cannot run
/// it.
fn events_of(args: &[&str], workload: &[String]) -> Option<(Vec<Value>, Truth)> {
    let mut command = Command::new(programs::numatrace().unwrap());
    let stream = Running::start(command.args(["events", "-f", "json"]).args(args)).unwrap();
    stream.wait_for(READY, DEADLINE).unwrap();
    let done = Running::start(Command::new(programs::workload().unwrap()).args(workload))
        .unwrap()
        .finish(DEADLINE)
        .unwrap();
    stream.signal(Signal::SIGINT).unwrap();
    let stream = stream.finish(DEADLINE).unwrap();
    if done.status.code() == Some(2) {
        return None;
    }
    assert!(done.status.success(), "{done:?}");
    assert!(stream.status.success(), "{stream:?}");
    let events = stream.stdout.lines().skip(1);
    let events: Vec<Value> = events
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let lost: Vec<&Value> = events
        .iter()
        .filter(|event| event["kind"] == "lost")
        .collect();
    assert!(lost.is_empty(), "{lost:#?}");
    Some((events, Truth::parse(&done.stdout).unwrap()))
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// Returns the pages of a process's events of one kind between two nodes.
fn pages(events: &[Value], kind: &str, pid: u64, (from, to): (u32, u32)) -> u64 {
    let of = events.iter().filter(|event| {
        event["kind"] == kind && event["pid"] == pid && event["from"] == from && event["to"] == to
    });
    of.map(|event| event["pages"].as_u64().unwrap()).sum()
}

#[test]
fn allocations_and_first_touches_add_up_to_what_was_done() {
    let (a, b) = two_nodes_or_skip!();
    let load = format!("bind --node {b} --pages 1000 --cpu-node {a}");
    let Some((events, truth)) = events_of(&["--kind", "alloc,first_touch"], &words(&load)) else {
        return skipped(test_name!(), "the workload cannot be done here");
    };
    let allocated = pages(&events, "alloc", truth.pid(), (a, b));
    assert!(
        (1000..=1000 + OWN).contains(&allocated),
        "{allocated} allocated"
    );
    let touched = pages(&events, "first_touch", truth.pid(), (a, b));
    let touches: Vec<&Value> = events
        .iter()
        .filter(|event| event["kind"] == "first_touch" && event["pid"] == truth.pid())
        .collect();
    assert!(
        (1000..=1000 + OWN).contains(&touched),
        "{touched} touched: {touches:#?}"
    );
    let bound: u64 = events
        .iter()
        .filter(|event| event["pid"] == truth.pid() && event["reason"] == "policy: bind")
        .map(|event| event["pages"].as_u64().unwrap())
        .sum();
    assert!((1000..=1000 + OWN).contains(&bound), "{bound} by policy");
    let region = events
        .iter()
        .filter(|event| event["kind"] == "first_touch" && event["pid"] == truth.pid())
        .max_by_key(|event| event["pages"].as_u64())
        .unwrap();
    assert_eq!(region["mapping"]["kind"], "anon", "{region}");
}

#[test]
fn an_absence_is_told_when_it_is_over_and_its_moves_when_they_happen() {
    let (a, b) = two_nodes_or_skip!();
    let load = format!("away --mib 64 --follow-mib 16 --node {a} --to {b} --ms 1500");
    let kinds = "incident,task_move,page_migration";
    let Some((events, truth)) = events_of(&["--kind", kinds], &words(&load)) else {
        return skipped(test_name!(), "the workload cannot be done here");
    };
    let of = |kind: &str| -> Vec<&Value> {
        let mine = |event: &&Value| event["kind"] == kind && event["pid"] == truth.pid();
        events.iter().filter(mine).collect()
    };
    let incidents = of("incident");
    let incident = incidents
        .iter()
        .find(|incident| incident["reason"] == "affinity" && incident["from"] == a)
        .unwrap_or_else(|| panic!("no incident in {events:#?}"));
    assert_eq!(
        (&incident["to"], &incident["back"]),
        (&Value::from(b), &Value::from("affinity"))
    );
    let near = |field: &str, wanted: u64| {
        let found = incident[field].as_u64().unwrap();
        assert!(
            found.abs_diff(wanted) <= wanted / 20,
            "{field}: {found}, done {wanted}"
        );
    };
    near("pages", truth.count("pages").unwrap());
    near("migrated", truth.count("followed").unwrap());
    let away_ms = incident["away_ms"].as_f64().unwrap();
    let done = truth.count("away_ms").unwrap() as f64;
    assert!(
        away_ms >= done && away_ms <= done * 1.5 + 500.0,
        "{away_ms} ms, done {done}"
    );
    let moved: u64 = of("page_migration")
        .iter()
        // The balancer may have moved some more.
        .filter(|event| event["from"] == a && event["to"] == b && event["reason"] == "syscall")
        .map(|event| event["pages"].as_u64().unwrap())
        .sum();
    assert_eq!(Some(moved), truth.count("followed"), "pages that followed");
    let left = of("task_move")
        .into_iter()
        .find(|event| event["from"] == a && event["to"] == b && event["reason"] == "affinity");
    assert!(left.is_some(), "{events:#?}");
}
