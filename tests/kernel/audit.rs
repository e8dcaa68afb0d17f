//! All six counters closed against the kernel's, and the workload's own truth by process and cause.

use numatrace_tests::{or_skip, test_name, tracer};

use crate::closed::closed;
use crate::machine::at;
use crate::two_nodes_or_skip;

/// Runs of the mixed load; more than one shows what is rare.
fn runs() -> u32 {
    std::env::var("NUMATRACE_AUDIT_RUNS")
        .ok()
        .and_then(|runs| runs.parse().ok())
        .unwrap_or(1)
}

/// Half a million allocations of every kind that the page allocator tells apart.
fn mixed_load(a: u32, b: u32) -> Vec<String> {
    let data = if std::path::Path::new("/data").is_dir() {
        "/data"
    } else {
        "/tmp"
    };
    vec![
        format!("touch --mib 64 --rounds 25 --cpu-node {a}"),
        format!("bind --node {b} --pages 20000 --cpu-node {a}"),
        format!("bind --node {a} --pages 20000 --cpu-node {b}"),
        format!("interleave --pages 16000 --nodes {a},{b}"),
        format!("interleave --pages 16000 --nodes {a},{b} --weighted"),
        format!("preferred-many --pages 10000 --nodes {b} --cpu-node {a}"),
        format!("thp --node {b} --count 20 --cpu-node {a}"),
        "fork-storm --count 400".to_owned(),
        "fork-storm --count 200 --exec".to_owned(),
        format!(
            "file --path {data}/mixed-{} --pages 4000",
            std::process::id()
        ),
        format!("shmem --kind memfd --pages 4000 --node {a} --other-node {b}"),
        format!("move-pages --pages 4000 --from {a} --to {b}"),
        format!("exhaust --node {a} --pages 4000"),
    ]
}

#[test]
fn a_mixed_load_leaves_no_residual_unexplained() {
    let (a, b) = two_nodes_or_skip!();
    for run in 1..=runs() {
        let (report, truths) = tracer!().system_wide_all(&mixed_load(a, b)).unwrap();
        closed(&report);
        let all: u64 = ["numa_hit", "numa_miss"]
            .iter()
            .flat_map(|counter| report.audited(counter, "kernel").unwrap())
            .sum();
        assert!(all >= 500_000, "run {run} made {all} allocations only");
        let mut own = 0;
        for truth in &truths {
            let process = report
                .process(truth.pid())
                .expect("a workload is in the report");
            let told = truth
                .count("touched_pages")
                .or(truth.count("pages"))
                .unwrap();
            let pages: u64 = process.vector("/alloc/pages").unwrap().iter().sum();
            own += pages;
            assert!(
                pages * 10 >= told.saturating_sub(pages_of_others(truth)) * 9,
                "{}: told {told}, traced {pages}",
                truth.0["workload"]
            );
        }
        assert!(own > 0);
    }
}

/// Pages that a workload told of, but its helpers touched.
fn pages_of_others(truth: &numatrace_tests::harness::truth::Truth) -> u64 {
    truth.members().iter().flat_map(|(_, pages)| pages).sum()
}

#[test]
fn bound_pages_are_remote_by_policy() {
    let (a, b) = two_nodes_or_skip!();
    let run = or_skip!(tracer!().launch(&[
        "bind",
        "--node",
        &b.to_string(),
        "--pages",
        "1000",
        "--cpu-node",
        &a.to_string()
    ]));
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let causes = &process.0["alloc"]["remote_by_cause"];
    assert_eq!(causes["policy"], 1000, "{causes}");
    let remote: u64 = process.vector("/alloc/other_node").unwrap().iter().sum();
    let named: u64 = causes
        .as_object()
        .unwrap()
        .values()
        .filter_map(serde_json::Value::as_u64)
        .sum();
    assert_eq!(named, remote, "{causes}");
    assert!(
        causes["unknown"].as_u64().unwrap() * 100 <= remote,
        "{causes}"
    );
}

#[test]
fn what_a_full_node_refused_is_remote_by_fallback() {
    let (a, _) = two_nodes_or_skip!();
    let run = or_skip!(tracer!().launch(&["exhaust", "--node", &a.to_string(), "--pages", "2000"]));
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let misses: u64 = process.vector("/alloc/numa_miss").unwrap().iter().sum();
    let fallback = process.count("/alloc/remote_by_cause/fallback").unwrap();
    assert!(fallback >= run.truth.count("missed_pages").unwrap());
    assert_eq!(fallback, misses);
    // The nodes' misses are those of the report's processes: nobody else is charged with them.
    let kernel: u64 = run
        .report
        .audited("numa_miss", "kernel")
        .unwrap()
        .iter()
        .sum();
    let all: u64 = run.report.sum("/alloc/numa_miss").unwrap().iter().sum();
    assert!(
        kernel.abs_diff(all) * 1000 <= kernel,
        "kernel {kernel}, processes {all}"
    );
}

#[test]
fn interleaved_pages_are_interleave_hits() {
    let (a, b) = two_nodes_or_skip!();
    let run = or_skip!(tracer!().launch(&[
        "interleave",
        "--pages",
        "1000",
        "--nodes",
        &format!("{a},{b}"),
        "--cpu-node",
        &a.to_string()
    ]));
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let hits = process.vector("/alloc/interleave_hit").unwrap();
    assert_eq!((hits[at(a)], hits[at(b)]), (500, 500));
}

#[test]
fn weighted_interleave_is_counted_as_this_kernel_counts_it() {
    let (a, b) = two_nodes_or_skip!();
    let run = or_skip!(tracer!().launch(&[
        "interleave",
        "--weighted",
        "--pages",
        "1000",
        "--nodes",
        &format!("{a},{b}")
    ]));
    // Kernels count it or not; the kernel's own growth says which, and ours has to be the same.
    assert_eq!(
        run.report.audited("interleave_hit", "traced"),
        run.report.audited("interleave_hit", "kernel"),
        "{}",
        test_name!()
    );
}

#[test]
fn five_thousand_short_processes_leave_the_sums_whole() {
    let run = or_skip!(tracer!().system_wide(&["fork-storm", "--count", "5000"]));
    closed(&run.report);
    let children = run.truth.0["child_pids"].as_array().unwrap();
    let listed = children
        .iter()
        .filter(|pid| {
            pid.as_u64()
                .is_some_and(|pid| run.report.process(pid).is_some())
        })
        .count();
    let overflow: u64 = run
        .report
        .bucket("[overflow]")
        .and_then(|p| p.vector("/alloc/pages"))
        .unwrap_or_default()
        .iter()
        .sum();
    assert!(
        listed == children.len() || overflow > 0,
        "{listed} of {} children are listed, and nothing overflowed",
        children.len()
    );
}
