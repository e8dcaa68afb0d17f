//! `--audit-only`, and a kernel that does not count: `vm.numa_stat`.

use std::process::Command;

use nix::sys::signal::Signal;
use numatrace_tests::harness::programs;
use numatrace_tests::harness::running::{Finished, Running};
use numatrace_tests::harness::tracer::{DEADLINE, READY};
use serde_json::Value;

const SWITCH: &str = "/proc/sys/vm/numa_stat";

/// The switch, put back to 1 at the end.
struct Switched;

impl Switched {
    fn to(self, value: &str) -> Self {
        std::fs::write(SWITCH, value).unwrap();
        self
    }
}

impl Drop for Switched {
    fn drop(&mut self) {
        let _ = std::fs::write(SWITCH, "1");
    }
}

fn trace(args: &[&str]) -> Command {
    let mut command = Command::new(programs::numatrace().unwrap());
    command.arg("trace").args(args);
    command
}

fn ended(args: &[&str]) -> Finished {
    Running::start(&mut trace(args))
        .unwrap()
        .finish(DEADLINE)
        .unwrap()
}

/// Runs a session in JSON and calls `meanwhile` during it.
fn during(args: &[&str], meanwhile: impl FnOnce(&Running)) -> Vec<Value> {
    let tracer = Running::start(trace(args).args(["-f", "json"])).unwrap();
    tracer.wait_for(READY, DEADLINE).unwrap();
    meanwhile(&tracer);
    tracer.signal(Signal::SIGTERM).unwrap();
    let output = tracer.finish(DEADLINE).unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let lines = output.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_audit_alone_is_just_that() {
    let text = ended(&["-d", "1", "--audit-only"]).stdout;
    assert!(
        text.contains("numa_hit") && text.contains("residual"),
        "{text}"
    );
    assert!(!text.contains("Processes"), "{text}");
}

#[test]
fn without_counters_there_is_no_audit_and_the_rest_goes_on() {
    let _switched = Switched.to("0");
    let refused = ended(&["-d", "1", "--audit-only"]);
    assert_eq!(refused.status.code(), Some(4), "{refused:?}");
    assert!(refused.stderr.contains("vm.numa_stat"), "{refused:?}");
    assert_eq!(refused.stdout, "");
    let reports = during(&[], |_| {});
    let audit = &reports[0]["audit"];
    assert_eq!(audit["verdict"], "unavailable", "{audit}");
    assert!(
        audit["why"].as_str().unwrap().contains("vm.numa_stat"),
        "{audit}"
    );
    let traced: u64 = reports[0]["processes"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|process| process["alloc"]["pages"].as_array())
        .flatten()
        .filter_map(Value::as_u64)
        .sum();
    assert!(traced > 0, "our own counters are still there");
    assert_eq!(
        std::fs::read_to_string(SWITCH).unwrap().trim(),
        "0",
        "it is never written"
    );
}

#[test]
fn switching_it_off_or_off_and_on_makes_the_audit_unavailable() {
    for values in [&["0"][..], &["0", "1"]] {
        let reports = during(&["--audit-only"], |_| {
            for value in values {
                std::mem::forget(Switched.to(value));
            }
        });
        drop(Switched.to("1"));
        let audit = &reports[0]["audit"];
        assert_eq!(audit["verdict"], "unavailable", "{values:?}: {audit}");
        assert!(
            audit["why"].as_str().unwrap().contains("switched"),
            "{audit}"
        );
    }
}

#[test]
fn intervals_after_a_switch_are_audited_again() {
    let reports = during(&["--audit-only", "-i", "500ms"], |tracer| {
        let ended = |interval: u32| {
            let line = format!("\"interval\":{interval},");
            tracer.wait_for_output(&line, DEADLINE).unwrap();
        };
        let _switched = Switched.to("0");
        ended(1);
        std::fs::write(SWITCH, "1").unwrap();
        // The interval in which it was switched on, and one after.
        ended(4);
    });
    let verdicts: Vec<&str> = reports
        .iter()
        .map(|report| report["audit"]["verdict"].as_str().unwrap())
        .collect();
    assert_eq!(verdicts[0], "unavailable", "{verdicts:?}");
    let last = verdicts.last().unwrap();
    assert!(["exact", "within_misses"].contains(last), "{verdicts:?}");
    for report in &reports {
        assert_eq!(report["schema"], "numatrace.audit/1");
        assert!(report.get("processes").is_none());
    }
}
