//! The answers of `doctor` on a machine that allows everything, and to a user without rights. The
//! machine is the guest: the type information of each lab kernel is compared with the prototypes
//! that the probes were written for.

use std::{os::unix::process::CommandExt, path::Path, process::Command};

use numatrace_tests::harness::programs;
use serde_json::Value;

/// The user id of nobody on every Linux.
const NOBODY: u32 = 65_534;

/// Returns the exit code and the JSON document of `numatrace doctor -f json`, as root or as nobody.
fn doctor(as_nobody: bool) -> (Option<i32>, Value) {
    let mut command = Command::new(programs::numatrace().unwrap());
    command.args(["doctor", "-f", "json"]);
    if as_nobody {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let document = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("no JSON document: {error}; stderr: {stderr}"));
    (output.status.code(), document)
}

/// Returns the check of that name.
fn check<'a>(document: &'a Value, name: &str) -> &'a Value {
    let checks = document["checks"].as_array().unwrap();
    checks
        .iter()
        .find(|check| check["name"] == name)
        .unwrap_or_else(|| panic!("no check {name}"))
}

/// Returns whether this kernel has the hook's target. All kernels have all targets but one
/// tracepoint, which came in 6.7, and NUMA balancing, which real-time kernels lack.
fn is_there(hook: &Value) -> bool {
    let target = match hook["hook"].as_str() {
        Some("balancer_skip") => "/sys/kernel/tracing/events/sched/sched_skip_vma_numa",
        Some("balancer" | "hint_fault") => "/proc/sys/kernel/numa_balancing",
        _ => "/",
    };
    Path::new(target).exists()
}

#[test]
fn every_hook_attaches_where_nothing_is_refused() {
    let (code, document) = doctor(false);
    assert_eq!(code, Some(0));
    assert_eq!(document["possible"], true);
    for hook in document["hooks"].as_array().unwrap() {
        let wanted = if is_there(hook) { "attached" } else { "absent" };
        assert_eq!(hook["state"], wanted, "{hook:#}");
    }
    for name in [
        "eBPF maps",
        "eBPF programs",
        "programs at functions",
        "kernel memory reads",
        "interrupts",
    ] {
        assert_eq!(
            check(&document, name)["state"],
            "ok",
            "{:#}",
            check(&document, name)
        );
    }
    assert!(document["memory"]["maps_bytes"].as_u64().unwrap() > 0);
}

#[test]
fn hooked_functions_are_as_the_probes_expect() {
    let (_, document) = doctor(false);
    // The value names probe, kernel and both declarations where they differ.
    let shapes = check(&document, "hooked functions");
    assert_eq!(shapes["state"], "ok", "{}", shapes["value"]);
}

#[test]
fn an_unprivileged_user_is_told_what_is_missing_and_how_to_get_it() {
    let (code, document) = doctor(true);
    assert_eq!(code, Some(4));
    assert_eq!(document["possible"], false);
    let why = document["refusal"]["why"].as_str().unwrap();
    assert!(
        why.contains("CAP_BPF") && why.contains("CAP_PERFMON"),
        "{why}"
    );
    let line = document["grants"]["file"].as_str().unwrap();
    assert!(line.starts_with("setcap cap_bpf,cap_perfmon"), "{line}");
    for hook in document["hooks"].as_array().unwrap() {
        assert_eq!(hook["state"], "absent");
        assert!(!hook["lost"].as_str().unwrap().is_empty());
    }
}
