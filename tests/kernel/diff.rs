//! A first-touch bug before and after it is mended, and limits on live sessions.

use std::process::Command;

use numatrace_tests::harness::balancer::Balancer;
use numatrace_tests::harness::running::{Finished, Running};
use numatrace_tests::harness::tracer::{DEADLINE, Traced};
use numatrace_tests::harness::{programs, skipped};
use numatrace_tests::{or_skip, test_name, tracer};
use serde_json::Value;

use crate::two_nodes_or_skip;

/// Pages of 16 MiB.
const PAGES: u64 = 4_096;

fn numatrace(args: &[&str]) -> Finished {
    Running::start(Command::new(programs::numatrace().unwrap()).args(args))
        .unwrap()
        .finish(DEADLINE)
        .unwrap()
}

fn compare(before: &Traced, after: &Traced, more: &[&str]) -> Finished {
    let path = |run: &Traced| run.report.path.to_str().unwrap().to_owned();
    let (before, after) = (path(before), path(after));
    let mut args = vec!["diff", &before, &after, "-f", "json"];
    args.extend(more);
    numatrace(&args)
}

#[test]
fn a_first_touch_bug_that_was_mended_is_named_with_both_shares_and_the_other_way_round_fails() {
    let (a, b) = two_nodes_or_skip!();
    let Some(_quick) = Balancer::quick().unwrap() else {
        return skipped(test_name!(), "no NUMA balancing, or no debugfs");
    };
    let (a, b, pages) = (a.to_string(), b.to_string(), PAGES.to_string());
    let run = |init: &str| {
        tracer!().launch(&[
            "first-touch",
            "--init-node",
            init,
            "--use-node",
            &b,
            "--pages",
            &pages,
            "--threads",
            "2",
            "--secs",
            "6",
        ])
    };
    let bug = or_skip!(run(&a));
    let mended = or_skip!(run(&b));

    let output = compare(
        &bug,
        &mended,
        &["--fail-if", "proc(workload).surprise_pages_change > 0"],
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let diff: Value = serde_json::from_str(&output.stdout).unwrap();
    let headline = &diff["headline"];
    assert_eq!(headline["quantity"], "local_access_share", "{headline:#}");
    assert_eq!(headline["change"]["verdict"], "better", "{headline:#}");
    let processes = diff["processes"].as_array().unwrap();
    let workload = processes
        .iter()
        .find(|process| process["comm"] == "workload");
    let workload = workload.expect("the workload");
    assert_eq!(workload["matched_by"], "command");
    assert_eq!(workload["before"][0], bug.truth.pid());
    assert_eq!(workload["after"][0], mended.truth.pid());

    let span = &bug.truth.0["spans"][0];
    let address = |value: &Value| {
        u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
    };
    let mappings = workload["mappings"].as_array().unwrap();
    let region = mappings.iter().find(|mapping| {
        let before = &mapping["before"];
        before.is_object()
            && address(&before["start"]) <= address(&span["start"])
            && address(&span["end"]) <= address(&before["end"])
    });
    let region = region.unwrap_or_else(|| panic!("no mapping holds {span}: {mappings:#?}"));
    assert_eq!(region["before"]["node"].to_string(), a, "{region:#}");
    assert_eq!(region["after"]["node"].to_string(), b, "{region:#}");
    let surprise = &region["changes"]["surprise_share"];
    let (before, after) = (
        surprise["before"].as_f64().unwrap(),
        surprise["after"].as_f64().unwrap(),
    );
    assert!(before > 0.5 && after < 0.05, "{surprise:#}");
    assert_eq!(surprise["verdict"], "better");
    let gone = diff["findings"]["gone"].as_array().unwrap();
    assert!(
        gone.iter()
            .any(|finding| finding["id"] == "first-touch-elsewhere"),
        "{gone:#?}"
    );

    let worse = compare(
        &mended,
        &bug,
        &["--fail-if", "proc(workload).surprise_pages_change > 1000"],
    );
    assert_eq!(worse.status.code(), Some(3), "{worse:?}");
    assert!(
        worse
            .stderr
            .contains("proc(workload).surprise_pages_change is"),
        "{}",
        worse.stderr
    );
}

#[test]
fn a_limit_overrides_the_commands_own_status() {
    for (limit, wanted) in [
        ("allocations > 0", 3),
        ("allocations < 0", 7),
        ("proc(nobody at all).pages > 0", 1),
    ] {
        let output = numatrace(&[
            "trace",
            "-q",
            "-f",
            "json",
            "-o",
            "/dev/null",
            "--fail-if",
            limit,
            "--",
            "sh",
            "-c",
            "exit 7",
        ]);
        assert_eq!(output.status.code(), Some(wanted), "{limit}: {output:?}");
        assert_eq!(
            output.stderr.contains(limit),
            wanted != 7,
            "{}",
            output.stderr
        );
    }
}
