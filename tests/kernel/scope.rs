//! One load traced in three ways: by pid, as a launched command, and with the whole system.

use numatrace_tests::harness::tracer::Traced;
use numatrace_tests::{or_skip, tracer};

use crate::support::machine::at;
use crate::two_nodes_or_skip;

/// Pages by which the three may differ: a process attached to later has its own start behind it.
const START: u64 = 70;

fn remote(run: &Traced, node: u32) -> u64 {
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    process.vector("/alloc/other_node").unwrap()[at(node)]
}

/// Returns the children and grandchildren of `spawn-tree`.
fn descendants(run: &Traced) -> Vec<u64> {
    let members = run.truth.members();
    let pids: Vec<u64> = members.into_iter().map(|(pid, _)| pid).collect();
    assert_eq!(
        pids.len(),
        2 + 2 * 2,
        "two children with two each: {pids:?}"
    );
    pids
}

#[test]
fn the_load_counts_the_same_by_pid_by_command_and_system_wide() {
    let (a, b) = two_nodes_or_skip!();
    let args = [
        "bind",
        "--node",
        &b.to_string(),
        "--pages",
        "2000",
        "--cpu-node",
        &a.to_string(),
    ];
    let launched = or_skip!(tracer!().launch(&args));
    let attached = or_skip!(tracer!().attach(&args));
    let whole = or_skip!(tracer!().system_wide(&args));
    let counts = [&launched, &attached, &whole].map(|run| remote(run, b));
    assert!(
        counts
            .iter()
            .all(|count| (2000..=2000 + START).contains(count)),
        "launched, attached, system-wide: {counts:?}"
    );
}

#[test]
fn totals_are_of_the_whole_system_in_every_scope() {
    let (a, b) = two_nodes_or_skip!();
    let args = [
        "bind",
        "--node",
        &b.to_string(),
        "--pages",
        "2000",
        "--cpu-node",
        &a.to_string(),
    ];
    for run in [
        or_skip!(tracer!().launch(&args)),
        or_skip!(tracer!().attach(&args)),
        or_skip!(tracer!().system_wide(&args)),
    ] {
        // That processes add up to the totals is checked in every run. Here the totals are the
        // system's, so processes outside the scope are in them.
        for counter in ["local_node", "other_node"] {
            let kernel: u64 = run.report.audited(counter, "kernel").unwrap().iter().sum();
            let traced: u64 = run.report.audited(counter, "traced").unwrap().iter().sum();
            assert!(
                kernel >= if counter == "other_node" { 2000 } else { 1 },
                "{counter}: {kernel} only, and the workload alone has 2,000 on the other node"
            );
            assert!(
                kernel.abs_diff(traced) <= kernel / 100 + 20,
                "{counter}: kernel {kernel}, traced {traced}"
            );
        }
    }
}

#[test]
fn what_is_out_of_scope_is_one_entry() {
    let run = or_skip!(tracer!().attach(&["spawn-tree", "--pages", "100"]));
    let mut family = descendants(&run);
    family.push(run.truth.pid());
    for process in run
        .report
        .processes()
        .filter(|p| p.text("/kind") == Some("user"))
    {
        let pid = process.count("/pid").unwrap();
        assert!(
            family.contains(&pid),
            "process {pid} {:?} is outside the scope",
            process.text("/comm")
        );
    }
    for pid in &family {
        assert!(
            run.report.process(*pid).is_some(),
            "process {pid} began in scope and is missing"
        );
    }
    let outside = run
        .report
        .bucket("[out of scope]")
        .expect("other processes allocate, the tracer for one");
    assert!(outside.vector("/alloc/pages").unwrap().iter().sum::<u64>() > 0);
}

#[test]
fn no_children_leaves_children_out() {
    let run = or_skip!(
        tracer!()
            .args(["--no-children"])
            .attach(&["spawn-tree", "--pages", "100"])
    );
    let report = &run.report;
    assert!(report.process(run.truth.pid()).is_some());
    for pid in descendants(&run) {
        assert!(report.process(pid).is_none(), "child {pid} is listed");
    }
}
