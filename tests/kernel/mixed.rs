//! Half a million allocations of every kind that the page allocator tells apart, repeated as often
//! as asked for: no residual is left without a name. `cargo xtask accounting` runs this in many
//! guests and publishes the figures that it writes.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use numatrace_tests::harness::programs;
use numatrace_tests::harness::report::Report;
use numatrace_tests::harness::running::Running;
use numatrace_tests::harness::skipped;
use numatrace_tests::harness::tracer::DEADLINE;
use numatrace_tests::harness::truth::Truth;
use numatrace_tests::{test_name, tracer};
use serde_json::json;

use crate::support::closed::closed;
use crate::two_nodes_or_skip;

/// How often the mixed load runs: rare residuals show only in several runs.
fn runs() -> u32 {
    std::env::var("NUMATRACE_AUDIT_RUNS")
        .ok()
        .and_then(|runs| runs.parse().ok())
        .unwrap_or(1)
}

/// A folder whose files have a page cache: a guest's other file systems are memory.
fn data() -> &'static str {
    if Path::new("/data").is_dir() {
        "/data"
    } else {
        "/tmp"
    }
}

fn mixed_load(a: u32, b: u32) -> Vec<String> {
    vec![
        format!("touch --mib 64 --rounds 18 --cpu-node {a}"),
        format!("bind --node {b} --pages 20000 --cpu-node {a}"),
        format!("bind --node {a} --pages 20000 --cpu-node {b}"),
        format!("interleave --pages 16000 --nodes {a},{b}"),
        format!("interleave --pages 16000 --nodes {a},{b} --weighted"),
        format!("preferred-many --pages 10000 --nodes {b} --cpu-node {a}"),
        format!("thp --node {b} --count 20 --cpu-node {a}"),
        "fork-storm --count 300".to_owned(),
        "fork-storm --count 100 --exec".to_owned(),
        format!(
            "file --path {}/mixed-{} --pages 4000",
            data(),
            std::process::id()
        ),
        format!("shmem --kind memfd --pages 4000 --node {a} --other-node {b}"),
        format!("move-pages --pages 4000 --from {a} --to {b}"),
        format!("hugetlb --node {b} --count 16 --cpu-node {a}"),
        format!("surplus --count 8 --cpu-node {a}"),
        format!("discard --how swap --count 6144 --cpu-node {b}"),
        format!("exhaust --node {a} --pages 4000"),
    ]
}

/// Writes a file of 24 MiB and reads it again with room for two thirds of it: page cache under a
/// memory cgroup's limit, reclaimed as it comes. On a slow disk the limit may kill the load, which
/// is as good a load as any.
fn limited() -> Result<()> {
    let file = format!("{}/limited", data());
    let script = format!(
        "dd if=/dev/zero of={file} bs=64k count=384 && dd if={file} of=/dev/null bs=64k; \
         rm -f {file}"
    );
    in_cgroup("memory", "memory.max", "16777216", &script)
}

/// Takes 32 MiB that a cpuset keeps on one node, and frees it.
fn confined(node: u32) -> Result<()> {
    let script = "dd if=/dev/zero of=/dev/null bs=32M count=1";
    in_cgroup("cpuset", "cpuset.mems", &node.to_string(), script)
}

/// Runs a script in a cgroup with one limit. Left out without such a controller.
fn in_cgroup(controller: &str, limit: &str, value: &str, script: &str) -> Result<()> {
    let top = Path::new("/sys/fs/cgroup");
    let group = top.join("numatrace-mixed");
    let _ = std::fs::write(top.join("cgroup.subtree_control"), format!("+{controller}"));
    std::fs::create_dir_all(&group)?;
    if std::fs::write(group.join(limit), value).is_err() {
        std::fs::remove_dir(&group)?;
        return Ok(());
    }
    let script = format!("echo $$ > {}/cgroup.procs && {script}", group.display());
    Command::new("sh").args(["-c", &script]).output()?;
    wait_until_empty(&group)?;
    std::fs::remove_dir(&group).context("the cgroup is still in use")
}

/// The kernel takes its time until the last process of a cgroup is gone, and reports it: a change
/// of `cgroup.events` is an exceptional condition (Documentation/admin-guide/cgroup-v2.rst,
/// "Un-populated Notification").
fn wait_until_empty(group: &Path) -> Result<()> {
    let until = Instant::now() + DEADLINE;
    let mut events = File::open(group.join("cgroup.events"))?;
    loop {
        let mut text = String::new();
        events.rewind()?;
        events.read_to_string(&mut text)?;
        if text.lines().any(|line| line == "populated 0") {
            return Ok(());
        }
        let left = until.saturating_duration_since(Instant::now());
        ensure!(!left.is_zero(), "the cgroup does not empty: {text}");
        let mut changes = [PollFd::new(events.as_fd(), PollFlags::POLLPRI)];
        poll(&mut changes, PollTimeout::try_from(left)?)?;
    }
}

#[test]
fn a_mixed_load_leaves_no_residual_unexplained() {
    let (a, b) = two_nodes_or_skip!();
    for run in 1..=runs() {
        let (report, truths) = tracer!()
            .system_wide_with(&mixed_load(a, b), || {
                limited()?;
                confined(b)
            })
            .unwrap();
        note(run, &report, &truths).unwrap();
        closed(&report);
        let all = allocations(&report);
        assert!(all >= 500_000, "run {run} made {all} allocations only");
        for truth in &truths {
            let (expected, traced) = carried(&report, truth);
            assert!(
                traced * 10 >= expected * 9,
                "{}: expected {expected}, traced {traced}",
                truth.0["workload"]
            );
        }
    }
}

/// The kernel counts an allocation under a policy before the page is cleared, numatrace after: a
/// thread that moved to a different node meanwhile is counted as local by one of them only.
#[test]
fn threads_that_move_while_their_huge_pages_are_cleared_leave_no_residual_unexplained() {
    let (_, b) = two_nodes_or_skip!();
    if !programs::is_installed("numactl") {
        return skipped(test_name!(), "no numactl");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let workload = programs::workload().unwrap();
    let mut command = tracer!().command(&path).unwrap();
    command
        .args(["--", "numactl", &format!("--membind={b}")])
        .arg(workload)
        .args(["churn", "--threads=8", "--ms=8000"]);
    let traced = Running::start(&mut command).unwrap();
    let ended = traced.finish(DEADLINE).unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let report = Report::read(&path).unwrap();
    closed(&report);
    let mut processes = report.processes();
    let process = processes.find(|process| process.text("/comm") == Some("workload"));
    let process = process.expect("the workload is in the report");
    assert!(process.count("/task_moves/cross_node") > Some(0));
    let huge = process.count("/alloc/by_class/thp/allocations").unwrap();
    assert!(huge >= 100, "{huge} huge pages only");
}

/// Returns the number of all allocations, by the kernel's count.
fn allocations(report: &Report) -> u64 {
    ["numa_hit", "numa_miss"]
        .iter()
        .flat_map(|counter| report.audited(counter, "kernel").unwrap())
        .sum()
}

/// Returns the pages of a workload's truth, and those that the report charges its processes with.
fn carried(report: &Report, truth: &Truth) -> (u64, u64) {
    let expected = truth.count("touched_pages").or(truth.count("pages"));
    let others: u64 = truth.members().iter().flat_map(|(_, pages)| pages).sum();
    let process = report
        .process(truth.pid())
        .expect("a workload is in the report");
    let traced = process.vector("/alloc/pages").unwrap().iter().sum();
    (expected.unwrap().saturating_sub(others), traced)
}

/// Writes the figures of a run, where artifacts are kept.
fn note(run: u32, report: &Report, truths: &[Truth]) -> Result<()> {
    let Some(folder) = std::env::var_os("NUMATRACE_ARTIFACTS") else {
        return Ok(());
    };
    let audit = &report.value["audit"];
    let cause = |name: &str| {
        let causes = audit["explained"].as_array()?;
        causes.iter().find(|cause| cause["cause"] == name)?["count"].as_u64()
    };
    // The residual over all nodes of the counter that has the largest.
    let residual = numatrace_tests::harness::report::COUNTERS
        .iter()
        .map(|counter| {
            let nodes = audit["nodes"].as_array().into_iter().flatten();
            nodes
                .filter_map(|node| node[counter]["residual"].as_i64())
                .map(i64::unsigned_abs)
                .sum::<u64>()
        });
    let (expected, traced) = truths
        .iter()
        .map(|truth| carried(report, truth))
        .fold((0, 0), |(expected, traced), (more, traced_more)| {
            (expected + more, traced + traced_more.min(more))
        });
    let line = json!({
        "verdict": audit["verdict"],
        "allocations": allocations(report),
        "residual": residual.max(),
        "recursion_misses": report.recursion_misses(),
        "caught_by_twin": report.count("/coverage/caught_by_twin"),
        "snapshot_edge": cause("snapshot_edge"),
        "cpu_changed": cause("cpu_changed"),
        "unexplained": audit["unexplained"],
        "told_pages": expected,
        "carried_pages": traced,
        "seconds": report.value["session"]["duration_s"],
    });
    let path = Path::new(&folder).join(format!("accounting-{run}.json"));
    std::fs::write(&path, line.to_string())?;
    Ok(())
}
