//! Where memory lies and what failed, with whatever hooks this machine allows: what can be known is
//! known, and the rest is said to be unknown.

use std::process::Command;

use numatrace_tests::harness::programs;
use numatrace_tests::harness::report::Report;
use numatrace_tests::harness::running::Running;
use numatrace_tests::harness::tracer::DEADLINE;
use numatrace_tests::{or_skip, tracer};
use serde_json::Value;

/// Traces a process that keeps memory, and returns the report's JSON and the process's id.
fn holding(args: &[&str]) -> (Report, u64) {
    let mut command = Command::new(programs::workload().unwrap());
    let mut idle = Running::start(command.args(["hold", "--pages", "8192"])).unwrap();
    idle.wait_for_output("\n", DEADLINE).unwrap();
    let pid = idle.pid();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let mut command = tracer!().command(&path).unwrap();
    let tracer = Running::start(command.args(["-d", "1", "-p", &pid.to_string()]).args(args));
    let ended = tracer.unwrap().finish(DEADLINE).unwrap();
    assert!(ended.status.success(), "{ended:?}");
    idle.hang_up();
    idle.finish(DEADLINE).unwrap();
    (Report::read(&path).unwrap(), u64::from(pid))
}

#[test]
fn existing_memory_is_looked_at_by_default_at_the_start_and_at_the_end() {
    let (report, pid) = holding(&[]);
    let process = report.process(pid).expect("it was asked for");
    let residency = &process.0["residency"];
    let reading = |which: &str| -> (u64, u64) {
        let pages = residency[which]["pages"].as_array().expect("a reading");
        let sum = pages.iter().filter_map(Value::as_u64).sum();
        (residency[which]["at_ns"].as_u64().unwrap(), sum)
    };
    let ((first_ns, first), (last_ns, last)) = (reading("first"), reading("last"));
    assert!(first >= 8_192 && last >= 8_192, "{residency:#}");
    assert!(last_ns > first_ns, "{residency:#}");
    assert!(
        residency["nodes_allowed"]
            .as_array()
            .is_some_and(|nodes| !nodes.is_empty())
    );
    assert_eq!(residency["gap"], Value::Null);
}

#[test]
fn without_residency_nothing_is_said_of_existing_memory() {
    let (report, pid) = holding(&["--no-residency"]);
    let process = report.process(pid).expect("it was asked for");
    assert_eq!(process.0["residency"], Value::Null);
    assert_eq!(process.0["placement_mismatch"], Value::Null);
}

#[test]
fn refused_calls_are_told_or_said_to_be_unseen() {
    let run = or_skip!(tracer!().launch(&["refused"]));
    let report = &run.report.value;
    let refused = &report["failures"]["refused"];
    match run.report.hook_state("policy_refused") {
        Some("attached") => {
            let told = refused.as_array().expect("they were measured");
            assert!(told.len() >= 4, "{refused:#}");
        }
        state => {
            assert_eq!(state, Some("absent"));
            assert_eq!(*refused, Value::Null, "not measured is not none");
            let hooks = report["hooks"].as_array().unwrap();
            let hook = hooks.iter().find(|hook| hook["hook"] == "policy_refused");
            let hook = hook.expect("it is listed");
            assert!(
                hook["reason"].is_string() && hook["lost"].is_string(),
                "{hook:#}"
            );
        }
    }
}
