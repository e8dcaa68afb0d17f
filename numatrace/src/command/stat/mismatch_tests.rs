//! The placement mismatch of `stat -p`, from made-up files of /proc to every format.

use std::path::Path;

use serde_json::{Value, json};

use super::run;
use crate::cli::Format;
use crate::cli::stat::StatArgs;
use crate::enrich::topology::fixture::{self, write};

/// 97 pages of 4 KiB on node 1 and 3 on node 0 are memory without files.
const MAPS: &str = r"00400000 default file=/bin/app mapped=700 N0=700 kernelpagesize_kB=4
01e48000 default heap anon=33 dirty=33 N1=33 kernelpagesize_kB=4
7f0000000000 default anon=51 dirty=51 N0=1 N1=50 kernelpagesize_kB=4
7f1000000000 default file=/memfd:x\040(deleted) dirty=14 N1=14 kernelpagesize_kB=4
7f2000000000 default file=/usr/lib/libc.so.6 anon=2 N0=90 N1=40 kernelpagesize_kB=4
7ffe5c000000 default stack anon=2 dirty=2 N0=2 kernelpagesize_kB=4
7ffe5d000000 default";

/// Adds a process with threads `(CPU, utime, stime)` to a machine.
fn process(root: &Path, pid: u32, maps: &str, threads: &[(u32, u64, u64)]) {
    let proc = root.join(format!("proc/{pid}"));
    write(&proc.join("numa_maps"), maps);
    write(&proc.join("comm"), "app");
    for (tid, (cpu, utime, stime)) in (pid..).zip(threads) {
        let before = ["0"; 10].join(" ");
        let between = ["0"; 23].join(" ");
        write(
            &proc.join(format!("task/{tid}/stat")),
            &format!("{tid} (a) b) R {before} {utime} {stime} {between} {cpu} 0 0\n"),
        );
    }
}

/// Two nodes: CPUs 0 and 1 on node 0, CPUs 2 and 3 on node 1.
fn machine() -> tempfile::TempDir {
    fixture::tree(&fixture::uniform(2, 2))
}

fn stat(root: &Path, args: StatArgs, pids: &[u32]) -> String {
    let pids = pids.iter().map(|pid| pid.to_string().into()).collect();
    let mut out = Vec::new();
    run(&StatArgs { pids, ..args }, root, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn json(root: &Path, pids: &[u32]) -> Value {
    let args = StatArgs {
        format: Format::Json,
        ..StatArgs::default()
    };
    serde_json::from_str::<Value>(&stat(root, args, pids)).unwrap()["processes"].clone()
}

#[test]
fn a_process_that_runs_far_from_its_memory_is_told_in_every_format() {
    let tree = machine();
    process(
        tree.path(),
        42,
        MAPS,
        &[(0, 100, 20), (1, 30, 0), (3, 0, 0)],
    );
    let section = json(tree.path(), &[42]);
    let one = &section["processes"][0];
    let apart = one["placement_mismatch"].as_f64().unwrap();
    assert!((apart - 0.97).abs() < 1e-12, "{one:#}");
    assert_eq!(one["cpu_ms"], json!([1500, 0]), "hundredths of a second");
    assert_eq!(one["cpu_share"], json!([1.0, 0.0]));
    assert_eq!(one["without_files_kib"], json!([3 * 4, 97 * 4]));
    let said = "42 (app) runs on node 0, 97.0 % of its memory is on node 1: placement mismatch \
                0.97.";
    assert_eq!(section["findings"], json!([said]));

    let text = stat(tree.path(), StatArgs::default(), &[42]);
    let end = "\
Placement mismatch 0.97
  CPU time of its threads by the node each ran on last: node 0 100 %
  memory without files: node 0 3.0 %, node 1 97.0 %
";
    assert!(text.ends_with(&format!("{end}\n{said}\n")), "{text}");

    let args = StatArgs {
        csv: true,
        ..StatArgs::default()
    };
    let csv = stat(tree.path(), args, &[42]);
    let value = |start: &str, end: &str| {
        csv.lines()
            .any(|line| line.starts_with(start) && line.ends_with(end))
    };
    assert!(
        value("process_placement,", ",,42,app,placement_mismatch,0.97"),
        "{csv}"
    );
    assert!(
        value("process_placement,", ",0,42,app,cpu_ms,1500"),
        "{csv}"
    );
    assert!(
        value("process_placement,", ",1,42,app,without_files_kib,388"),
        "{csv}"
    );
}

#[test]
fn the_threads_decide_what_is_near() {
    let tree = machine();
    process(tree.path(), 1, MAPS, &[(2, 50, 0), (3, 47, 0), (1, 3, 0)]);
    process(tree.path(), 2, MAPS, &[(2, 1, 0), (0, 1, 0)]);
    let section = json(tree.path(), &[1, 2]);
    let apart = |at: usize| {
        section["processes"][at]["placement_mismatch"]
            .as_f64()
            .unwrap()
    };
    assert!(apart(0).abs() < 1e-12, "{section:#}");
    assert!((apart(1) - 0.47).abs() < 1e-12, "{section:#}");
    assert_eq!(section["findings"], json!([]));
    let text = stat(tree.path(), StatArgs::default(), &[1, 2]);
    let rows: Vec<&str> = text.lines().filter(|line| line.ends_with("0.47")).collect();
    assert_eq!(rows.len(), 1, "{text}");
    assert!(rows[0].starts_with("2 (app)"), "{text}");
}

#[test]
fn what_is_not_known_is_null() {
    let tree = machine();
    process(tree.path(), 1, MAPS, &[(0, 0, 0)]);
    process(tree.path(), 2, "", &[(0, 9, 0)]);
    process(tree.path(), 3, MAPS, &[(0, 9, 0), (7, 1, 0)]);
    process(tree.path(), 4, MAPS, &[]);
    let section = json(tree.path(), &[1, 2, 3, 4]);
    let processes = section["processes"].as_array().unwrap();
    assert_eq!(processes.len(), 4, "{section:#}");
    for one in processes {
        assert_eq!(one["placement_mismatch"], Value::Null, "{one:#}");
    }
    assert_eq!(processes[0]["cpu_ms"], json!([0, 0]));
    assert_eq!(processes[0]["cpu_share"], Value::Null);
    assert_eq!(processes[1]["without_files_kib"], json!([0, 0]));
    assert_eq!(processes[1]["cpu_share"], json!([1.0, 0.0]));
    for unknown in [&processes[2], &processes[3]] {
        assert_eq!(unknown["cpu_ms"], Value::Null, "a CPU offline, no threads");
    }
}
