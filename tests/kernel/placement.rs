//! Memory that was somewhere else before the session began: found without a move, a touch or a
//! sample, named with node, amount and moment, and never acquitted.

use std::process::Command;

use numatrace_tests::harness::balancer::Balancer;
use numatrace_tests::harness::programs;
use numatrace_tests::harness::report::findings;
use numatrace_tests::harness::running::Running;
use numatrace_tests::harness::terminal::OnTerminal;
use numatrace_tests::harness::tracer::{DEADLINE, READY};
use numatrace_tests::{or_skip, test_name, tracer};
use serde_json::Value;

use crate::two_nodes_or_skip;

const ACQUITTAL: &str = "numa-is-not-your-problem";

const MIB: u64 = 48;

/// The arguments of a load with its memory on one node, which works on another.
fn settled(memory: u32, cpus: u32, more: &[&str]) -> Vec<String> {
    let words = [
        "settled".to_owned(),
        format!("--mib={MIB}"),
        format!("--node={memory}"),
        format!("--cpu-node={cpus}"),
    ];
    let more = more.iter().map(|word| (*word).to_owned());
    words.into_iter().chain(more).collect()
}

/// Holds the one finding about a process against what is known of it.
fn is_named(report: &Value, pid: u64, memory: u32, title: &str) {
    let found = findings(report, "ran-away-from-memory");
    let of_it: Vec<_> = found
        .iter()
        .filter(|finding| finding["pid"] == pid)
        .collect();
    assert_eq!(of_it.len(), 1, "{:#}", report["findings"]);
    let finding = of_it[0];
    assert_eq!(finding["severity"], "critical", "{finding:#}");
    let told = finding["title"].as_str().unwrap();
    assert!(told.contains(title), "{title}: {told}");
    let evidence = finding["evidence"].to_string();
    assert!(evidence.contains("after the session began"), "{evidence}");
    assert!(
        findings(report, ACQUITTAL).is_empty(),
        "{:#}",
        report["findings"]
    );

    let processes = report["processes"].as_array().unwrap();
    let process = processes.iter().find(|process| process["pid"] == pid);
    let process = process.expect("the process");
    let mismatch = process["placement_mismatch"].as_f64().unwrap();
    assert!(mismatch > 0.9, "{mismatch}");
    let nodes = report["host"]["nodes"].as_array().unwrap();
    let at = nodes
        .iter()
        .position(|node| node["node"] == memory)
        .unwrap();
    for reading in ["first", "last"] {
        let pages = process["residency"][reading]["pages"][at].as_u64().unwrap();
        let mib = pages / 256;
        assert!((MIB..MIB + 8).contains(&mib), "{reading}: {mib} MiB");
    }
}

#[test]
fn memory_that_was_elsewhere_before_is_named_without_a_move() {
    let (a, b) = two_nodes_or_skip!();
    let _off = Balancer::off().unwrap();
    let load = settled(b, a, &["--bound"]);
    let load: Vec<&str> = load.iter().map(String::as_str).collect();
    let run = or_skip!(tracer!().attach(&load));
    let title = format!("is bound to node {a}, and ");
    is_named(&run.report.value, run.truth.pid(), b, &title);
}

#[test]
fn a_process_that_may_run_anywhere_and_stays_is_named_too() {
    let (a, b) = two_nodes_or_skip!();
    let _off = Balancer::off().unwrap();
    let load = settled(b, a, &[]);
    let load: Vec<&str> = load.iter().map(String::as_str).collect();
    let run = or_skip!(tracer!().attach(&load));
    let process = run.report.process(run.truth.pid()).expect("the workload");
    if process.0["task_moves"]["cross_node"] != 0 {
        numatrace_tests::harness::skipped(test_name!(), "the scheduler moved it");
        return;
    }
    let title = format!("runs on node {a}; ");
    is_named(&run.report.value, run.truth.pid(), b, &title);
    let told = findings(&run.report.value, "ran-away-from-memory")[0]["title"].to_string();
    let words = format!("MiB of its memory have been on node {b} since before the session");
    assert!(told.contains(&words), "{told}");
}

#[test]
fn a_session_of_the_whole_machine_names_it_as_well() {
    let (a, b) = two_nodes_or_skip!();
    let _off = Balancer::off().unwrap();
    let mut program = Running::start(
        Command::new(programs::workload().unwrap())
            .arg("--start-on-stdin")
            .args(settled(b, a, &["--bound", "--ms=4000"])),
    )
    .unwrap();
    program.wait_for("workload: ready", DEADLINE).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let mut command = tracer!().command(&path).unwrap();
    let tracer = Running::start(command.args(["-d", "3"])).unwrap();
    tracer.wait_for(READY, DEADLINE).unwrap();
    program.send("\n").unwrap();
    let pid = u64::from(program.pid());
    let ended = tracer.finish(DEADLINE).unwrap();
    assert!(ended.status.success(), "{ended:?}");
    program.finish(DEADLINE).unwrap();
    let report: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    is_named(&report, pid, b, &format!("is bound to node {a}, and "));
}

#[test]
fn local_memory_is_no_finding_and_its_place_is_known() {
    let (a, _) = two_nodes_or_skip!();
    let load = settled(a, a, &["--bound"]);
    let load: Vec<&str> = load.iter().map(String::as_str).collect();
    let run = or_skip!(tracer!().attach(&load));
    let report = &run.report.value;
    assert!(
        findings(report, "ran-away-from-memory").is_empty(),
        "{:#}",
        report["findings"]
    );
    let process = run.report.process(run.truth.pid()).expect("the workload");
    let mismatch = process.0["placement_mismatch"].as_f64().unwrap();
    assert!(mismatch < 0.1, "{mismatch}");
}

#[test]
fn without_a_look_at_memory_nobody_is_acquitted_of_what_was_there_before() {
    let (a, b) = two_nodes_or_skip!();
    let _off = Balancer::off().unwrap();
    let load = settled(b, a, &["--bound"]);
    let load: Vec<&str> = load.iter().map(String::as_str).collect();
    let run = or_skip!(tracer!().args(["--no-residency"]).attach(&load));
    let report = &run.report.value;
    let process = run.report.process(run.truth.pid()).expect("the workload");
    assert_eq!(process.0["placement_mismatch"], Value::Null);
    for acquittal in findings(report, ACQUITTAL) {
        let title = acquittal["title"].as_str().unwrap();
        assert!(
            title.contains("existing memory lies was not checked"),
            "{title}"
        );
    }
}

#[test]
fn memory_of_a_command_is_known_though_it_is_gone_at_the_end() {
    let (a, b) = two_nodes_or_skip!();
    let _off = Balancer::off().unwrap();
    let (memory, cpus) = (b.to_string(), a.to_string());
    let args = [
        "settled",
        "--mib",
        "48",
        "--node",
        &memory,
        "--cpu-node",
        &cpus,
        "--bound",
        // Readings take a fiftieth of the time: on a slow machine a few seconds lie between two.
        "--ms=10000",
    ];
    let run = or_skip!(tracer!().launch(&args));
    let process = run.report.process(run.truth.pid()).expect("the workload");
    let mismatch = process.0["placement_mismatch"].as_f64().unwrap();
    // The workload took most of its CPU time on the other node.
    assert!(mismatch > 0.7, "{mismatch}");
}

#[test]
fn top_ranks_the_steady_offender_first() {
    let (a, b) = two_nodes_or_skip!();
    let _off = Balancer::off().unwrap();
    let mut offender = Running::start(
        Command::new(programs::workload().unwrap())
            .arg("--start-on-stdin")
            .args(settled(b, a, &["--bound", "--ms=300000"])),
    )
    .unwrap();
    offender.wait_for("workload: ready", DEADLINE).unwrap();
    offender.send("\n").unwrap();
    let pid = offender.pid().to_string();
    let mut command = Command::new(programs::numatrace().unwrap());
    let mut screen = OnTerminal::start(command.arg("top"), 24, 80).unwrap();
    let first = |shown: &str| {
        let mut rows = shown
            .lines()
            .skip_while(|line| !line.contains("PID process"));
        let row: Vec<&str> = rows.nth(1).unwrap_or_default().split_whitespace().collect();
        row.first() == Some(&pid.as_str())
            && row
                .get(2)
                .and_then(|mismatch| mismatch.trim_start_matches('>').parse::<f64>().ok())
                .is_some_and(|mismatch| mismatch > 90.0)
    };
    screen
        .wait_for("the offender in the first row", DEADLINE, first)
        .unwrap();
    screen.press("q").unwrap();
    offender.signal(nix::sys::signal::Signal::SIGKILL).unwrap();
}
