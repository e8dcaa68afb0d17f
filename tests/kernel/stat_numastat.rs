//! `numatrace stat` and numactl's `numastat`: equal numbers for one instant. In guests, and on the
//! machine that builds it.

use std::process::Command;

use numatrace_tests::harness::numastat::{self, Rows, rows};
use numatrace_tests::harness::programs;
use numatrace_tests::harness::running::Running;
use numatrace_tests::harness::skipped;
use numatrace_tests::harness::tracer::DEADLINE;
use numatrace_tests::test_name;
use numatrace_tests::workload::nodes::Nodes;

/// numastat and numatrace are processes with memory themselves: per-node memory rows move by up to
/// this much between two readings.
const SLACK_MB: f64 = 8.0;

/// Returns the output of `numatrace stat`.
pub fn ours(args: &[&str]) -> String {
    let mut command = Command::new(programs::numatrace().unwrap());
    let output = Running::start(command.arg("stat").args(args))
        .unwrap()
        .finish(DEADLINE)
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    output.stdout
}

/// Starts a workload and leaves it running.
pub fn workload(args: &[&str]) -> Running {
    Running::start(Command::new(programs::workload().unwrap()).args(args)).unwrap()
}

/// Asserts that each column of `ours` lies between two readings of numastat, give or take `slack`.
fn between(before: &Rows, ours: &Rows, after: &Rows, slack: f64) {
    for (name, columns) in before {
        let our_columns = ours
            .get(name)
            .unwrap_or_else(|| panic!("no row {name}: {ours:?}"));
        for (at, before) in columns.iter().enumerate() {
            let [before, ours, after] = [before, &our_columns[at], &after[name][at]]
                .map(|column| column.parse::<f64>().unwrap());
            let range = before.min(after) - slack..=before.max(after) + slack;
            assert!(
                range.contains(&ours),
                "{name}, column {at}: {ours} is not in {range:?}"
            );
        }
    }
}

/// Returns the rows without the Total column, which numastat's plain view lacks.
fn without_total(mut rows: Rows, nodes: usize) -> Rows {
    rows.values_mut()
        .for_each(|columns| columns.truncate(nodes));
    rows
}

#[test]
fn counters_and_memory_rows_lie_between_two_of_numastats() {
    if !numastat::is_available() {
        return skipped(test_name!(), "no numastat here");
    }
    let nodes = Nodes::read().unwrap().online().len();
    let theirs = |options: &[&str], columns| rows(&numastat::output(options).unwrap(), columns);

    let before = theirs(&[], nodes);
    assert_eq!(before.len(), 6, "{before:?}");
    let counters = without_total(rows(&ours(&[]), nodes + 1), nodes);
    between(&before, &counters, &theirs(&[], nodes), 0.0);

    let before = theirs(&["-n"], nodes + 1);
    assert_eq!(before.len(), 6, "{before:?}");
    let megabytes = rows(&ours(&["-n"]), nodes + 1);
    between(&before, &megabytes, &theirs(&["-n"], nodes + 1), 0.0);

    let before = theirs(&["-m"], nodes + 1);
    assert!(before.len() > 10, "{before:?}");
    let memory = rows(&ours(&["-m"]), nodes + 1);
    assert_eq!(memory["MemTotal"], before["MemTotal"]);
    between(&before, &memory, &theirs(&["-m"], nodes + 1), SLACK_MB);
}

#[test]
fn a_process_that_holds_still_is_numastats() {
    if !numastat::is_available() {
        return skipped(test_name!(), "no numastat here");
    }
    let nodes = Nodes::read().unwrap();
    let columns = nodes.online().len() + 1;
    let holders: Vec<Running> = nodes
        .with_memory()
        .iter()
        .map(|node| {
            let node = node.to_string();
            let holder = workload(&["hold", "--pages", "1000", "--node", &node]);
            holder.wait_for_output("\n", DEADLINE).unwrap();
            holder
        })
        .collect();
    assert!(!holders.is_empty(), "a machine has a node with memory");
    for holder in holders {
        let pid = holder.pid().to_string();
        let theirs = rows(&numastat::output(&["-p", &pid]).unwrap(), columns);
        assert!(theirs.contains_key("Private"), "{theirs:?}");
        assert_eq!(rows(&ours(&["-p", &pid]), columns), theirs);
        assert!(holder.finish(DEADLINE).unwrap().status.success());
    }
}
