//! Fixes of findings about page cache, run as they are printed: the pages go, or move, and the
//! finding with them.

use std::path::Path;
use std::process::Command;

use numatrace_tests::harness::balancer::Balancer;
use numatrace_tests::harness::programs;
use numatrace_tests::harness::report;
use numatrace_tests::harness::running::Running;
use numatrace_tests::harness::skipped;
use numatrace_tests::harness::tracer::DEADLINE;
use numatrace_tests::harness::trial;
use numatrace_tests::{test_name, tracer};
use serde_json::Value;

use crate::stat_file::{Written, kib};
use crate::two_nodes_or_skip;

const ID: &str = "page-cache-filled-elsewhere";
const TEXT_ID: &str = "shared-text-remote";

/// Base pages of a file.
const PAGES: usize = 2048;

/// A program that uses a file from a node until it is dropped.
struct User<'a> {
    running: Option<Running>,
    file: &'a Written,
    is_text: bool,
}

impl<'a> User<'a> {
    fn start(file: &'a Written, node: u32) -> Self {
        Self::with(file, node, false)
    }

    /// Starts one that has the file as its text.
    fn of_text(file: &'a Written, node: u32) -> Self {
        Self::with(file, node, true)
    }

    fn with(file: &'a Written, node: u32, is_text: bool) -> Self {
        let path = file.0.display().to_string();
        let mut command = Command::new(programs::workload().unwrap());
        command.args(["read-file", "--path", &path, "--secs", "600"]);
        command.args(["--cpu-node", &node.to_string()]);
        if is_text {
            command.arg("--text");
        }
        Self {
            running: Some(Running::start(&mut command).unwrap()),
            file,
            is_text,
        }
    }

    /// Traces it, looks at its memory once more in the end, and returns the findings about page
    /// cache.
    fn findings(&self) -> Vec<Value> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        let mut command = tracer!().command(&path).unwrap();
        let pid = self.running.as_ref().unwrap().pid().to_string();
        let traced = Running::start(command.args(["--residency", "-d", "6", "-p", &pid])).unwrap();
        let ended = traced.finish(DEADLINE).unwrap();
        assert!(ended.status.success(), "{ended:?}");
        let report: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        // Without a look at the file there is no finding either.
        let mappings = report["processes"].as_array().unwrap().iter();
        let mut mappings = mappings.filter_map(|process| process["mappings"].as_array());
        let is_seen = mappings.any(|mappings| {
            let path = self.file.0.to_str().unwrap();
            let name = if self.is_text {
                format!("{path} text")
            } else {
                path.to_owned()
            };
            let mut own = mappings.iter().filter(|mapping| mapping["name"] == name);
            own.any(|mapping| mapping["residency"].is_array() && mapping["file_system"].is_string())
        });
        assert!(is_seen, "no reading: {:#}", report["processes"]);
        let id = if self.is_text { TEXT_ID } else { ID };
        report::findings(&report, id).into_iter().cloned().collect()
    }

    /// Returns the only finding.
    fn finding(&self) -> Value {
        let found = self.findings();
        assert_eq!(found.len(), 1, "{found:#?}");
        found[0].clone()
    }
}

impl Drop for User<'_> {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            // The program ends by itself only after minutes.
            let _ = running.signal(nix::sys::signal::Signal::SIGKILL);
            let _ = running.finish(DEADLINE);
        }
    }
}

/// Returns the commands of the fix that uses a program; none when no fix does.
fn commands(finding: &Value, program: &str) -> Vec<String> {
    let fixes = finding["fixes"].as_array().unwrap().iter();
    let all = fixes.map(|fix| {
        let commands = fix["commands"].as_array().unwrap().iter();
        let text = |command: &Value| command.as_str().unwrap().to_owned();
        commands.map(text).collect::<Vec<String>>()
    });
    let uses = |commands: &Vec<String>| commands.iter().any(|line| line.contains(program));
    all.into_iter().find(uses).unwrap_or_default()
}

/// Runs a command as it is printed. The shell of guests would take its own dd, which lacks options.
fn run(command: &str) {
    let (program, _) = command.split_once(' ').unwrap();
    let place = Path::new("/usr/bin").join(program);
    let start = if place.exists() { "/usr/bin/" } else { "" };
    let line = format!("{start}{command}");
    let output = Command::new("sh").args(["-c", &line]).output().unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
}

#[test]
fn a_file_on_a_disk_is_dropped_and_read_on_the_node_of_its_users() {
    let (a, b) = two_nodes_or_skip!();
    if !programs::is_installed("numactl") || !Path::new("/data").is_dir() {
        return skipped(test_name!(), "needs numactl and a disk at /data");
    }
    let _off = Balancer::off().unwrap();
    let file = Written::new("/data", "dropped it's", &[(a, PAGES)]);
    let commands = commands(&User::start(&file, b).finding(), "dd ");
    let [sync, drop, read] = &commands[..] else {
        panic!("{commands:#?}");
    };
    assert_eq!(file.stat()["kib"], kib(&[(a, PAGES)]));
    run(sync);
    run(drop);
    assert_eq!(file.stat()["cached_kib"], 0, "{drop}");
    run(read);
    assert_eq!(file.stat()["kib"], kib(&[(b, PAGES)]), "{read}");
    assert_eq!(User::start(&file, b).findings(), Vec::<Value>::new());
    trial::worked(ID, &commands.join("; ")).unwrap();
}

#[test]
fn program_text_is_dropped_and_read_on_the_node_that_executes_it() {
    let (a, b) = two_nodes_or_skip!();
    if !programs::is_installed("numactl") || !Path::new("/data").is_dir() {
        return skipped(test_name!(), "needs numactl and a disk at /data");
    }
    let _off = Balancer::off().unwrap();
    let file = Written::new("/data", "text", &[(a, PAGES)]);
    let commands = commands(&User::of_text(&file, b).finding(), "dd ");
    assert_eq!(commands.len(), 3, "{commands:#?}");
    commands.iter().for_each(|command| run(command));
    assert_eq!(file.stat()["kib"], kib(&[(b, PAGES)]));
    assert_eq!(User::of_text(&file, b).findings(), Vec::<Value>::new());
    trial::worked(TEXT_ID, &commands.join("; ")).unwrap();
}

#[test]
fn a_file_on_tmpfs_is_copied_to_the_node_of_its_users() {
    let (a, b) = two_nodes_or_skip!();
    if !programs::is_installed("numactl") {
        return skipped(test_name!(), "needs numactl");
    }
    let _off = Balancer::off().unwrap();
    let file = Written::new("/tmp", "copied it's", &[(a, PAGES)]);
    if file.stat()["file_system"] != "tmpfs" {
        return skipped(test_name!(), "/tmp is no tmpfs");
    }
    let finding = User::start(&file, b).finding();
    assert_eq!(commands(&finding, "dd "), Vec::<String>::new());
    let commands = commands(&finding, " cp ");
    assert_eq!(commands.len(), 2, "{finding:#}");
    commands.iter().for_each(|command| run(command));
    assert_eq!(file.stat()["kib"], kib(&[(b, PAGES)]), "{commands:#?}");
    assert_eq!(User::start(&file, b).findings(), Vec::<Value>::new());
    trial::worked(ID, &commands.join("; ")).unwrap();
}

#[test]
fn the_pages_of_a_running_program_move_while_they_are_mapped() {
    let (a, b) = two_nodes_or_skip!();
    if !programs::is_installed("migratepages") {
        return skipped(test_name!(), "needs migratepages");
    }
    let _off = Balancer::off().unwrap();
    let mut tried = 0;
    for folder in ["/data", "/tmp"] {
        if !Path::new(folder).is_dir() {
            continue;
        }
        let file = Written::new(folder, "moved", &[(a, PAGES)]);
        let user = User::start(&file, b);
        let commands = commands(&user.finding(), "migratepages ");
        assert_eq!(commands.len(), 1, "{commands:#?}");
        run(&commands[0]);
        assert_eq!(file.stat()["kib"], kib(&[(b, PAGES)]), "{folder}");
        assert_eq!(user.findings(), Vec::<Value>::new());
        trial::worked(ID, &commands[0]).unwrap();
        tried += 1;
    }
    assert!(tried > 0, "no folder");
}
