//! Failures: processes killed for their memory, huge pages that no pool had, refused calls; and
//! that nothing is said where nothing failed.

use std::fs;

use numatrace_tests::harness::programs;
use numatrace_tests::harness::report::findings;
use numatrace_tests::harness::running::{Finished, Running};
use numatrace_tests::harness::tracer::{DEADLINE, Traced};
use numatrace_tests::{or_skip, test_name, tracer};
use serde_json::{Value, json};

use crate::support::machine;
use crate::two_nodes_or_skip;

/// The one finding of a kind.
fn the_finding<'a>(report: &'a Value, id: &str) -> &'a Value {
    let found = findings(report, id);
    assert_eq!(found.len(), 1, "{id}: {:#}", report["findings"]);
    found[0]
}

fn no_finding(report: &Value, ids: &[&str]) {
    for id in ids {
        assert!(findings(report, id).is_empty(), "{:#}", report["findings"]);
    }
}

/// Entries of a part of the report's failures that are a process's.
fn failed<'a>(report: &'a Value, part: &str, pid: u64) -> Vec<&'a Value> {
    let all = &report["failures"][part];
    let all = all.as_array().unwrap_or_else(|| panic!("{part}: {all}"));
    all.iter().filter(|entry| entry["pid"] == pid).collect()
}

/// Free memory of a node in an entry, MiB.
fn free(entry: &Value, node: u32) -> u64 {
    let free = entry["free"].as_array().expect("free memory");
    let of = free.iter().find(|free| free["node"] == node);
    of.expect("the node")["kb"].as_u64().unwrap() / 1024
}

const ACQUITTAL: &str = "numa-is-not-your-problem";

/// A child that is bound to a node fills it until it is killed: the report, and the child.
fn overfilled(a: u32, args: &[&str], more: &[&str]) -> Option<(Traced, u64)> {
    let (node, mib) = (a.to_string(), (machine::size(a) + 100).to_string());
    let mut words = vec!["overfill", "--node", &node, "--mib", &mib];
    words.extend(more);
    let outcome = tracer!().args(args.iter().copied()).launch(&words);
    let run = match outcome.expect("the run should work") {
        numatrace_tests::harness::tracer::Outcome::Done(run) => *run,
        numatrace_tests::harness::tracer::Outcome::Unsupported(why) => {
            numatrace_tests::harness::skipped(test_name!(), &why);
            return None;
        }
    };
    assert_eq!(run.truth.0["signal"], 9, "{:#}", run.truth.0);
    let child = run.truth.count("child").unwrap();
    Some((run, child))
}

/// Holds the kill of a child that was bound to `a` against what was to happen.
fn killed_by_policy(report: &Value, child: u64, (a, b): (u32, u32)) {
    let kills = failed(report, "oom_kills", child);
    assert_eq!(kills.len(), 1, "{:#}", report["failures"]);
    let kill = kills[0];
    assert_eq!(kill["constraint"], "memory_policy", "{kill}");
    assert_eq!(kill["nodes"], json!([a]), "{kill}");
    assert_eq!(kill["asked_by"], child, "{kill}");
    assert_eq!(kill["free_read_late"], false, "{kill}");
    assert!(free(kill, a) < 64, "the node was full: {kill}");
    assert!(free(kill, b) > 64, "the other was not: {kill}");
    let finding = the_finding(report, "bound-node-full");
    assert_eq!(finding["pid"], child, "{finding:#}");
    assert_eq!(finding["severity"], "critical", "{finding:#}");
    let title = finding["title"].as_str().unwrap();
    for words in [
        format!("was bound to node {a}, which ran out"),
        format!("OOM-killed under its memory policy, while node {b} had"),
    ] {
        assert!(title.contains(&words), "{words}: {title}");
    }
    no_finding(report, &[ACQUITTAL]);
}

#[test]
fn a_bound_process_that_fills_its_node_is_killed_and_named() {
    let (a, b) = two_nodes_or_skip!();
    let Some((run, child)) = overfilled(a, &[], &[]) else {
        return;
    };
    let report = &run.report.value;
    killed_by_policy(report, child, (a, b));
    // The child looked for memory itself before that, on its own node alone.
    let process = run.report.process(child).expect("the child");
    let reclaim = &process.0["failures"]["reclaim"];
    assert!(reclaim["direct"]["count"].as_u64() > Some(0), "{reclaim}");
    assert!(reclaim["direct"]["ns"].as_u64() > Some(0), "{reclaim}");
    let confined = reclaim["confined"].as_array().unwrap();
    let on_it = confined
        .iter()
        .any(|part| part["node"] == a && part["by"] == "memory_policy" && part["several"] == false);
    assert!(on_it, "{reclaim}");
}

#[test]
fn memory_that_is_bound_by_mbind_is_told_like_a_bound_thread() {
    let (a, b) = two_nodes_or_skip!();
    let Some((run, child)) = overfilled(a, &[], &["--mbind"]) else {
        return;
    };
    killed_by_policy(&run.report.value, child, (a, b));
    let process = run.report.process(child).expect("the child");
    let confined = &process.0["failures"]["reclaim"]["confined"];
    assert_eq!(confined[0]["by"], "memory_policy", "{confined}");
}

#[test]
fn a_kill_on_the_fallback_has_no_limit_and_still_no_acquittal() {
    let (a, _) = two_nodes_or_skip!();
    let fallback = ["--fallback", "oom_kill,direct_reclaim"];
    let Some((run, child)) = overfilled(a, &fallback, &[]) else {
        return;
    };
    let report = &run.report.value;
    assert_eq!(run.report.hook_state("oom_kill"), Some("fallback"));
    let kills = failed(report, "oom_kills", child);
    assert_eq!(kills.len(), 1, "{:#}", report["failures"]);
    assert_eq!(kills[0]["constraint"], Value::Null, "{}", kills[0]);
    assert_eq!(kills[0]["free_read_late"], true, "{}", kills[0]);
    no_finding(report, &[ACQUITTAL]);
    // The policy of a thread is known without the function's nodes.
    let process = run.report.process(child).expect("the child");
    let confined = &process.0["failures"]["reclaim"]["confined"];
    assert_eq!(confined[0]["node"], a, "{confined}");
}

#[test]
fn a_command_that_is_killed_is_not_acquitted() {
    let (a, b) = two_nodes_or_skip!();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let mib = (machine::size(a) + 100).to_string();
    let mut command = tracer!().command(&path).unwrap();
    command.arg("--").arg(programs::workload().unwrap());
    command.args(["overfill", "--alone", "--mib", &mib]);
    command.args(["--node", &a.to_string()]);
    let ended: Finished = Running::start(&mut command)
        .unwrap()
        .finish(DEADLINE)
        .unwrap();
    assert_eq!(ended.status.code(), Some(137), "{ended:?}");
    let report: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(report["session"]["exit_status"], 137);
    let pid = report["failures"]["oom_kills"][0]["pid"].as_u64().unwrap();
    killed_by_policy(&report, pid, (a, b));
}

#[test]
fn a_bound_process_that_fits_is_no_finding() {
    let (a, _) = two_nodes_or_skip!();
    let node = a.to_string();
    let args = ["overfill", "--node", &node, "--mib", "64"];
    let run = or_skip!(tracer!().launch(&args));
    assert_eq!(run.truth.0["signal"], Value::Null);
    let report = &run.report.value;
    assert_eq!(report["failures"]["oom_kills"], json!([]));
    no_finding(report, &["bound-node-full", "binding-refused"]);
}

/// Runs `hugetlb-empty` with pools of these sizes on two nodes.
macro_rules! hugetlb_or_skip {
    ($node:expr, $pool:expr, $other:expr, $other_pool:expr, $count:expr) => {{
        let words = [$node, $pool, $other, $other_pool, $count].map(|word| word.to_string());
        let [node, pool, other, other_pool, count] = &words;
        let args = [
            "hugetlb-empty",
            "--node",
            node,
            "--pool",
            pool,
            "--other",
            other,
            "--other-pool",
            other_pool,
            "--count",
            count,
        ];
        or_skip!(tracer!().launch(&args))
    }};
}

#[test]
fn an_empty_pool_of_the_bound_node_is_named_with_the_pages_of_the_other() {
    let (a, b) = two_nodes_or_skip!();
    let run = hugetlb_or_skip!(b, 0, a, 12, 4);
    assert_eq!(run.truth.0["signal"], 7, "SIGBUS: {:#}", run.truth.0);
    let child = run.truth.count("child").unwrap();
    let page_kb = run.truth.count("page_kb").unwrap();
    let report = &run.report.value;
    let entries = failed(report, "hugetlb", child);
    assert_eq!(entries.len(), 1, "{:#}", report["failures"]);
    let entry = entries[0];
    assert_eq!(entry["request"], "fault", "{entry}");
    assert_eq!(entry["page_kb"], page_kb, "{entry}");
    assert_eq!(entry["policy"], "bind", "{entry}");
    assert_eq!(entry["nodes"], json!([b]), "{entry}");
    assert_eq!(entry["count"], 1, "{entry}");
    assert_eq!(entry["pools_read_late"], false, "{entry}");
    let finding = the_finding(report, "hugetlb-pool-empty");
    assert_eq!(finding["pid"], child, "{finding:#}");
    let evidence = finding["evidence"].to_string();
    assert!(evidence.contains("after the session began"), "{evidence}");
    let title = finding["title"].as_str().unwrap();
    for words in [
        format!("pool of node {b} was empty: 1 fault of"),
        format!("failed (SIGBUS); node {a} had 12 free"),
    ] {
        assert!(title.contains(&words), "{words}: {title}");
    }
    no_finding(report, &[ACQUITTAL]);
}

#[test]
fn a_pool_that_ran_out_is_told_as_it_was_and_not_as_the_dead_left_it() {
    let (a, b) = two_nodes_or_skip!();
    let run = hugetlb_or_skip!(b, 3, a, 12, 4);
    assert_eq!(run.truth.0["signal"], 7, "SIGBUS: {:#}", run.truth.0);
    let report = &run.report.value;
    let entries = failed(report, "hugetlb", run.truth.count("child").unwrap());
    assert_eq!(entries.len(), 1, "{:#}", report["failures"]);
    let pools = entries[0]["pools"].as_array().expect("pools");
    let of = |node| {
        pools
            .iter()
            .find(|pool| pool["node"] == node)
            .expect("the node")
    };
    assert_eq!((&of(b)["free"], &of(b)["total"]), (&json!(0), &json!(3)));
    assert_eq!((&of(a)["free"], &of(a)["total"]), (&json!(12), &json!(12)));
}

#[test]
fn a_mapping_for_which_all_pools_have_too_few_pages_is_told() {
    let (a, b) = two_nodes_or_skip!();
    let run = hugetlb_or_skip!(b, 1, a, 1, 8);
    assert_eq!(run.truth.0["signal"], Value::Null);
    let child = run.truth.count("child").unwrap();
    let report = &run.report.value;
    let entries = failed(report, "hugetlb", child);
    assert_eq!(entries.len(), 1, "{:#}", report["failures"]);
    assert_eq!(entries[0]["request"], "reserve", "{}", entries[0]);
    assert_eq!(entries[0]["errno"], "ENOMEM", "{}", entries[0]);
    assert_eq!(entries[0]["pages"], 8, "{}", entries[0]);
    let finding = the_finding(report, "hugetlb-pool-empty");
    assert_eq!(finding["severity"], "warning", "{finding:#}");
}

#[test]
fn a_pool_with_enough_pages_is_no_finding() {
    let (a, b) = two_nodes_or_skip!();
    let run = hugetlb_or_skip!(b, 4, a, 0, 4);
    assert_eq!(run.truth.0["signal"], Value::Null);
    let report = &run.report.value;
    assert_eq!(report["failures"]["hugetlb"], json!([]));
    no_finding(report, &["hugetlb-pool-empty"]);
}

/// Names of the error numbers that the workload provokes.
fn errno(number: &Value) -> &'static str {
    match number.as_i64() {
        Some(1) => "EPERM",
        Some(2) => "ENOENT",
        Some(13) => "EACCES",
        Some(14) => "EFAULT",
        Some(19) => "ENODEV",
        Some(22) => "EINVAL",
        other => panic!("error {other:?}"),
    }
}

#[test]
fn refused_calls_are_told_with_error_cause_and_function() {
    let run = or_skip!(tracer!().launch(&["refused"]));
    let report = &run.report.value;
    let told = failed(report, "refused", run.truth.pid());
    let truth = run.truth.0["refused"].as_array().unwrap();
    for call in truth {
        let name = &call["call"];
        let mut of = told.iter().filter(|entry| entry["call"] == *name);
        let entry = of.next().unwrap_or_else(|| panic!("no {name}: {told:#?}"));
        assert_eq!(entry["errno"], errno(&call["errno"]), "{entry}");
        assert_eq!(entry["count"], call["count"], "{entry}");
        assert!(entry["why"].is_string(), "{entry}");
        // The CPU that was asked for lies behind the words that the kernel keeps.
        let cpus = entry["cpus"].as_str().unwrap_or_default();
        assert!(cpus.is_empty(), "{entry}");
    }
    assert_eq!(told.len(), truth.len(), "{told:#?}");
    assert_eq!(told[0]["call"], "mbind", "most come first: {told:#?}");
    assert_eq!(told[0]["why"], "address not page-aligned");
    let finding = the_finding(report, "binding-refused");
    assert_eq!(finding["pid"], run.truth.pid(), "{finding:#}");
    let title = finding["title"].as_str().unwrap();
    let words = "mbind was refused 3 times: EINVAL (address not page-aligned), from ";
    assert!(title.contains(words), "{title}");
    let function = title.split(words).nth(1).unwrap();
    assert!(function.contains("bind_range"), "{title}");
    no_finding(report, &[ACQUITTAL]);
}

#[test]
fn calls_that_succeed_are_no_failures() {
    let run = or_skip!(tracer!().launch(&["refused", "--none"]));
    let report = &run.report.value;
    assert_eq!(report["failures"]["refused"], json!([]));
    no_finding(report, &["binding-refused"]);
}

#[test]
fn calls_that_a_filter_refuses_are_seen_on_request_and_said_to_be_unseen_else() {
    for on_request in [false, true] {
        let mut tracer = tracer!();
        if on_request {
            tracer = tracer.args(["--hooks", "+policy_seccomp"]);
        }
        let run = or_skip!(tracer.launch(&["refused", "--filter"]));
        let report = &run.report.value;
        let process = run.report.process(run.truth.pid()).expect("the workload");
        assert_eq!(process.0["seccomp"], true);
        let told = failed(report, "refused", run.truth.pid());
        if !on_request {
            assert!(told.is_empty(), "{told:#?}");
            assert_eq!(run.report.hook_state("policy_seccomp"), None);
            continue;
        }
        assert_eq!(run.report.hook_state("policy_seccomp"), Some("attached"));
        let truth = run.truth.0["refused"].as_array().unwrap();
        assert_eq!(told.len(), truth.len(), "{told:#?}");
        for call in truth {
            let mut of = told.iter().filter(|entry| entry["call"] == call["call"]);
            let entry = of.next().unwrap_or_else(|| panic!("{call}: {told:#?}"));
            assert_eq!(entry["errno"], "EPERM", "{entry}");
            assert_eq!(entry["why"], "by its seccomp filter", "{entry}");
            assert_eq!(entry["count"], call["count"], "{entry}");
        }
        let finding = the_finding(report, "binding-refused");
        let title = finding["title"].as_str().unwrap();
        let words = "mbind was refused 3 times: EPERM (by its seccomp filter), from bind_range";
        assert!(title.contains(words), "{title}");
    }
}
