//! `numatrace stat` on the machine that runs the tests: memory that no row of meminfo explains, and
//! where a process runs and has its memory.

use std::io::{PipeReader, PipeWriter, Write};
use std::process::Command;
use std::time::Instant;

use nix::fcntl::{FcntlArg, fcntl};
use numatrace_tests::harness::skipped;
use numatrace_tests::test_name;
use numatrace_tests::workload::nodes::Nodes;
use serde_json::Value;

use crate::{DEADLINE, numatrace};

/// KiB of one pipe: as much as an unprivileged user may give it.
const PIPE_KIB: u64 = 1024;

/// Pipes to fill. A user has 64 MiB in pipes without privileges, and other programs have some.
const PIPES: u64 = 48;

/// Kernel rows that must not grow with the pipes, whatever they hold.
const ROWS: [&str; 7] = [
    "FilePages",
    "AnonPages",
    "Slab",
    "KernelStack",
    "PageTables",
    "SecPageTables",
    "HugePages_Total",
];

/// Returns the JSON document of `stat` with these options.
fn sample(options: &[&str]) -> Value {
    let output = numatrace(&[&["stat", "-f", "json"], options].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_str(&output.stdout).unwrap()
}

/// Returns a row of `stat -m` in KiB, summed over the nodes; `None` when a node has no value.
fn row(sample: &Value, name: &str) -> Option<u64> {
    let rows = sample.pointer("/meminfo/rows")?.as_array()?;
    let row = rows.iter().find(|row| row["name"] == name)?;
    let kib = row["kib"].as_array()?;
    assert!(!kib.is_empty(), "{row}");
    kib.iter().map(Value::as_u64).sum()
}

/// Fills pipes as far as this user may have them. Their memory is free again when they are dropped.
fn filled_pipes() -> Vec<(PipeReader, PipeWriter)> {
    let size = i32::try_from(PIPE_KIB * 1024).unwrap();
    let page = vec![7; usize::try_from(PIPE_KIB * 1024).unwrap()];
    let mut pipes = Vec::new();
    for _ in 0..PIPES {
        let (reader, mut writer) = std::io::pipe().unwrap();
        // A pipe that may not grow would block the write.
        if fcntl(&writer, FcntlArg::F_SETPIPE_SZ(size)).is_err() {
            break;
        }
        writer.write_all(&page).unwrap();
        pipes.push((reader, writer));
    }
    pipes
}

#[test]
fn memory_in_pipes_is_in_the_row_of_what_no_row_explains() {
    if Nodes::read().is_err() {
        return skipped(test_name!(), "no NUMA support in this kernel");
    }
    // Pages that other processes take meanwhile are in rows of their own, and pass from one to the
    // other: only a reading in which these rows hold still is evidence.
    for _ in 0..10 {
        let before = sample(&["-m"]);
        let Some(none) = row(&before, "Unexplained") else {
            let missing = &before["missing"];
            return skipped(test_name!(), &format!("a part is not known: {missing}"));
        };
        let pipes = filled_pipes();
        let during = sample(&["-m", "--pressure"]);
        let held = PIPE_KIB * u64::try_from(pipes.len()).unwrap();
        drop(pipes);
        let after = sample(&["-m"]);
        if held < PIPE_KIB * PIPES / 2 {
            return skipped(test_name!(), "this user may not have enough pipes");
        }
        let still = ROWS.iter().all(|name| {
            let [then, now, later] = [&before, &during, &after].map(|sample| row(sample, name));
            // Older kernels have fewer rows.
            let grew = |a: Option<u64>, b: Option<u64>| a.unwrap_or(0).abs_diff(b.unwrap_or(0));
            grew(then, now) < held / 8 && grew(now, later) < held / 8
        });
        if !still {
            continue;
        }
        let near = held - held / 8..=held + held / 8;
        let full = row(&during, "Unexplained").unwrap();
        let left = row(&after, "Unexplained").unwrap();
        let (grown, fallen) = (full.abs_diff(none), full.abs_diff(left));
        assert!(full > none && full > left, "{none} {full} {left}");
        assert!(
            near.contains(&grown) && near.contains(&fallen),
            "{held} KiB in pipes: {none}, then {full}, then {left}"
        );
        let nodes = during.pointer("/pressure/nodes").unwrap().as_array();
        let pressure = nodes.unwrap().iter().map(|node| &node["unexplained_kib"]);
        let pressure: Option<u64> = pressure.map(Value::as_u64).sum();
        assert!(
            pressure.unwrap().abs_diff(full) < held / 8,
            "{pressure:?} and {full} are the same memory"
        );
        return;
    }
    skipped(
        test_name!(),
        "other processes took and gave back memory all the time",
    );
}

#[test]
fn the_row_stands_after_the_kernels_and_says_its_meaning() {
    if Nodes::read().is_err() {
        return skipped(test_name!(), "no NUMA support in this kernel");
    }
    let output = numatrace(&["stat", "-m"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let lines: Vec<&str> = output.stdout.lines().collect();
    let at = |start: &str| lines.iter().position(|line| line.starts_with(start));
    let ours = at("Unexplained ").unwrap_or_else(|| panic!("{}", output.stdout));
    assert!(at("MemTotal").unwrap() < ours && at("HugePages_Surp").is_none_or(|at| at < ours));
    assert!(lines[ours + 1].starts_with("Unexplained: "), "{lines:#?}");

    let csv = numatrace(&["stat", "-m", "--csv"]).stdout;
    let values = csv.lines().filter(|line| line.contains(",Unexplained,"));
    assert!(
        values.clone().all(|line| line.starts_with("meminfo_kib,")),
        "{csv}"
    );
    let known = row(&sample(&["-m"]), "Unexplained").is_some();
    assert_eq!(values.count() > 0, known, "{csv}");
}

#[test]
fn a_process_that_runs_has_its_cpu_time_by_node() {
    if Nodes::read().is_err() {
        return skipped(test_name!(), "no NUMA support in this kernel");
    }
    let mut busy = Command::new("sh")
        .args(["-c", "while :; do :; done"])
        .spawn()
        .unwrap();
    let pid = busy.id().to_string();
    let began = Instant::now();
    // The process has CPU time from the first tick of its clock on.
    let process = loop {
        let sample = sample(&["-p", &pid]);
        let process = sample.pointer("/processes/processes/0").unwrap().clone();
        if !process["cpu_share"].is_null() || began.elapsed() > DEADLINE {
            break process;
        }
    };
    let text = numatrace(&["stat", "-p", &pid]).stdout;
    busy.kill().unwrap();
    busy.wait().unwrap();
    let shares = process["cpu_share"].as_array().unwrap();
    let all: f64 = shares.iter().filter_map(Value::as_f64).sum();
    assert!((all - 1.0).abs() < 1e-9, "{process:#}");
    let mismatch = process["placement_mismatch"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&mismatch), "{process:#}");
    if shares.len() == 1 {
        assert_eq!(mismatch, 0.0, "one node has both");
    }
    assert!(text.contains("Placement mismatch "), "{text}");
    assert!(
        text.contains("CPU time of its threads by the node each ran on last: node "),
        "{text}"
    );
}
