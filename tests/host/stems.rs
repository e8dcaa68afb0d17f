//! Each stem on a machine that may refuse programs at functions. A hook is exact or on its
//! fallback, measured values are right, and the others are null with a reason.

use std::process::Command;

use nix::sys::signal::Signal;
use numatrace_tests::harness::programs;
use numatrace_tests::harness::report::{Part, Report};
use numatrace_tests::harness::running::Running;
use numatrace_tests::harness::skipped;
use numatrace_tests::harness::tracer::{DEADLINE, READY, Traced};
use numatrace_tests::workload::nodes::Nodes;
use numatrace_tests::{counters, or_skip, test_name, tracer};

fn process(run: &Traced) -> Part<'_> {
    run.report
        .process(run.truth.pid())
        .expect("the workload is in the report")
}

fn total(matrix: &[Vec<u64>]) -> u64 {
    matrix.iter().flatten().sum()
}

/// Returns the first node with CPUs and memory, as an argument of a workload.
fn a_node() -> String {
    let nodes = Nodes::read().unwrap_or_else(|trouble| panic!("{trouble:?}"));
    let node = nodes
        .with_memory()
        .iter()
        .find(|&&node| !nodes.cpus(node).is_empty());
    node.expect("a node with CPUs and memory").to_string()
}

/// Returns the reason of a hook that is not attached in its exact form.
fn reason(report: &Report, hook: &str) -> String {
    let hooks = report.value["hooks"].as_array().expect("hooks");
    let entry = hooks.iter().find(|entry| entry["hook"] == hook);
    entry.map_or_else(String::new, |entry| {
        entry["reason"].as_str().unwrap_or_default().to_owned()
    })
}

#[test]
fn page_fault_has_the_known_pages() {
    let few = or_skip!(tracer!().launch(&["touch", "--mib", "1"]));
    let overhead = total(&process(&few).matrix("/first_touch/pages").unwrap())
        - few.truth.count("pages").unwrap();
    let run = or_skip!(tracer!().launch(&["touch", "--mib", "100"]));
    let expected = run.truth.count("pages").unwrap();
    let touched = total(&process(&run).matrix("/first_touch/pages").unwrap());
    // A program of this size takes so many pages itself, give or take the few that depend on
    // addresses.
    assert!(
        touched.abs_diff(expected + overhead) <= expected / 100,
        "it touched {expected} pages and takes {overhead} itself, the report has {touched}"
    );
    let exact = run.report.hook_state("page_fault") == Some("attached");
    assert_eq!(
        process(&run).0["first_touch"]["by_kind"].is_null(),
        !exact,
        "kinds are known on the exact hook only"
    );
}

#[test]
fn task_move_has_every_move_and_a_matrix_without_diagonal() {
    let run = or_skip!(tracer!().launch(&["fork-storm", "--count", "200"]));
    assert_ne!(run.report.hook_state("task_move"), Some("absent"));
    let moves = &run.report.value["system"]["task_moves"];
    let whole = Part(&run.report.value);
    let matrix = whole.matrix("/system/task_moves/matrix").expect("a matrix");
    let crossed = whole.count("/system/task_moves/cross_node").unwrap();
    assert_eq!(total(&matrix), crossed, "{moves}");
    assert!((0..matrix.len()).all(|node| matrix[node][node] == 0));
    assert!(
        whole.count("/system/task_moves/total").unwrap() >= crossed,
        "{moves}"
    );
    let sum = run
        .report
        .processes()
        .filter_map(|process| process.count("/task_moves/total"))
        .sum::<u64>();
    assert_eq!(Some(sum), whole.count("/system/task_moves/total"));
}

#[test]
fn task_move_counts_each_forced_change_of_cpu() {
    const TIMES: u64 = 200;
    let cpus: Vec<u32> = {
        let nodes = Nodes::read().unwrap_or_else(|trouble| panic!("{trouble:?}"));
        nodes
            .online()
            .iter()
            .flat_map(|&node| nodes.cpus(node).to_vec())
            .take(2)
            .collect()
    };
    let [a, b] = cpus[..] else {
        return skipped(test_name!(), "needs two CPUs");
    };
    let run = or_skip!(tracer!().launch(&[
        "bounce",
        "--times",
        &TIMES.to_string(),
        "--cpus",
        &format!("{a},{b}")
    ]));
    let moves = process(&run).count("/task_moves/total").unwrap();
    assert!(
        (TIMES..=TIMES + 6).contains(&moves),
        "{TIMES} forced moves, the report has {moves}"
    );
}

/// A running thread's own schedstat is as old as the last tick, 10 ms with HZ=100.
const TICK: u64 = 10_000_000;

#[test]
fn task_run_is_that_of_schedstat() {
    let node = a_node();
    let run = or_skip!(tracer!().launch(&[
        "first-touch",
        "--init-node",
        &node,
        "--use-node",
        &node,
        "--pages",
        "64",
        "--threads",
        "2",
        "--secs",
        "2"
    ]));
    for worker in run.truth.0["workers"].as_array().unwrap() {
        let tid = worker["tid"].as_u64().unwrap();
        let ran = worker["run_ns"].as_u64().unwrap();
        let thread = process(&run)
            .thread(tid)
            .expect("a worker is in the report");
        let traced: u64 = thread.vector("/run_ns").expect("run_ns").iter().sum();
        assert!(
            traced + ran / 100 >= ran && traced <= ran + ran / 100 + TICK,
            "thread {tid}: schedstat {ran} ns, traced {traced}"
        );
    }
}

#[test]
fn hint_fault_is_null_where_it_cannot_attach_and_the_reason_is_there() {
    let run = or_skip!(tracer!().launch(&["touch", "--mib", "1"]));
    let attached = run.report.hook_state("hint_fault") == Some("attached");
    let system = &run.report.value["system"]["hint_faults"];
    assert_eq!(system.is_null(), !attached, "{system}");
    assert_eq!(process(&run).0["hint_faults"].is_null(), !attached);
    assert_eq!(reason(&run.report, "hint_fault").is_empty(), attached);
}

#[test]
fn balancer_times_are_null_where_they_cannot_be_had_and_skips_need_a_tracepoint_only() {
    let run = or_skip!(tracer!().launch(&["touch", "--mib", "1"]));
    let balancer = &process(&run).0["balancer"];
    for (hook, field) in [
        ("balancer", "scan_ns"),
        ("balancer", "fault_ns"),
        ("balancer_skip", "vmas_skipped"),
    ] {
        let attached = run.report.hook_state(hook) == Some("attached");
        assert_eq!(balancer[field].is_null(), !attached, "{field}: {balancer}");
        assert_eq!(reason(&run.report, hook).is_empty(), attached);
    }
}

/// The tracepoint and the stack are there on every host, whatever else is refused.
#[test]
fn reasons_of_moves_agree_with_their_stacks() {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    if cpus < 2 {
        return skipped(test_name!(), "one CPU: nothing moves");
    }
    let run = or_skip!(
        tracer!()
            .args(["--verify-reasons"])
            .launch(&["bounce", "--times", "100", "--cpus", "0,1"])
    );
    let verify = &run.report.value["verify"];
    let (moves, agreed) = (verify["moves"].as_u64(), verify["agreed"].as_u64());
    assert!(moves >= Some(100), "{verify:#}");
    if run.report.hook_state("task_move") == Some("attached") {
        assert!(
            agreed.map(|agreed| agreed * 100) >= moves.map(|moves| moves * 99),
            "{verify:#}"
        );
        return;
    }
    // Without marks a pin counts as a cpuset's. A stack that shows sched_setaffinity(2) contradicts
    // that, and no other stack does.
    let wrong = verify["disagreed"].as_array().unwrap();
    let known = |entry: &&serde_json::Value| {
        entry["reason"] == "cpuset" && entry["stack_says"] == "affinity"
            || ["active_balance", "wakeup"]
                .iter()
                .any(|reason| entry["reason"] == *reason)
    };
    let unknown: Vec<_> = wrong.iter().filter(|entry| !known(entry)).collect();
    let count: u64 = unknown
        .iter()
        .filter_map(|entry| entry["count"].as_u64())
        .sum();
    assert!(count * 100 <= moves.unwrap_or(0), "{verify:#}");
}

/// Compaction moves pages on every machine, with one node or many; `/proc/vmstat` counts them.
#[test]
fn page_migration_has_what_compaction_moved_by_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let tracer = Running::start(&mut tracer!().command(&path).unwrap()).unwrap();
    tracer.wait_for(READY, DEADLINE).unwrap();
    let before = counters::vmstat().unwrap();
    // Pages to move, and holes between them.
    let workload =
        Running::start(Command::new(programs::workload().unwrap()).args(["touch", "--mib", "64"]))
            .unwrap();
    workload.finish(DEADLINE).unwrap();
    if let Err(why) = std::fs::write("/proc/sys/vm/compact_memory", "1") {
        return skipped(test_name!(), &format!("no compaction by hand: {why}"));
    }
    let grown = counters::growth(&before, &counters::vmstat().unwrap());
    tracer.signal(Signal::SIGINT).unwrap();
    let finished = tracer.finish(DEADLINE).unwrap();
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    let report = Report::read(&path).unwrap();
    numatrace_tests::harness::contract::check(&path).unwrap();

    let expected = grown["pgmigrate_success"];
    let migrations = &report.value["system"]["page_migrations"];
    let moved: u64 = migrations["by_reason"]
        .as_object()
        .unwrap()
        .values()
        .filter_map(serde_json::Value::as_u64)
        .sum();
    assert!(expected > 0, "compaction moved nothing; this proves little");
    // The session is a little longer than the time between the two readings.
    assert!(
        moved + expected / 100 >= expected && moved <= expected + expected / 100 + 512,
        "vmstat {expected}, traced {migrations}"
    );
    let failed = migrations["failed"].as_u64().expect("failed is measured");
    assert!(
        failed + 512 >= grown["pgmigrate_fail"],
        "vmstat {}, traced {migrations}",
        grown["pgmigrate_fail"]
    );
    let exact = report.hook_state("page_migration") == Some("attached");
    assert_eq!(migrations["matrix"].is_null(), !exact, "{migrations}");
    assert!(
        migrations["by_reason"]["compaction"].as_u64() > Some(0),
        "{migrations}"
    );
}
