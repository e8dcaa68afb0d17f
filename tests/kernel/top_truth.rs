//! The screens of `numatrace top` for a known load: the remote process, its nodes, and the reason.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use numatrace_tests::harness::{programs, terminal::OnTerminal, tracer::DEADLINE};

use crate::two_nodes_or_skip;

/// A load that goes on until it is dropped. The load then ends its current round, so that nothing
/// of it runs into the next test.
struct Load(Child);

impl Load {
    fn start(script: &str) -> Self {
        let workload = programs::workload().unwrap();
        let child = Command::new("sh")
            .args([
                "-c",
                &format!("trap over=1 TERM; while [ -z \"$over\" ]; do {script}; done"),
            ])
            .env("W", workload)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if let Ok(id) = i32::try_from(self.0.id()) {
            let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        }
        let _ = self.0.wait();
    }
}

#[test]
fn bound_processes_stand_first_with_their_cause_and_the_matrix_has_their_nodes() {
    let (a, b) = two_nodes_or_skip!();
    let _bound = Load::start(&format!(
        "\"$W\" bind --node {b} --cpu-node {a} --pages 2000"
    ));
    let _away = Load::start(&format!(
        "\"$W\" away --mib 16 --follow-mib 4 --node {a} --to {b} --ms 300"
    ));
    let mut command = Command::new(programs::numatrace().unwrap());
    let mut screen = OnTerminal::start(command.arg("top"), 24, 80).unwrap();
    // Which load stands first depends on the moment: one is away from its memory now and then.
    let bound_is_shown = |shown: &str| {
        let mut rows = shown
            .lines()
            .skip_while(|line| !line.contains("PID process"));
        let first = rows.nth(1).unwrap_or_default();
        // After PID, name, mismatch and CPU time.
        let remote = |row: &str| row.split_whitespace().nth(4).map(str::to_owned);
        let is_remote = |row: &str| {
            row.contains("workload")
                && remote(row).is_some_and(|count| count != "0" && count != "-")
        };
        first.contains("workload") && (is_remote(first) || rows.any(is_remote))
    };
    let shown = screen
        .wait_for(
            "a workload in the first row, and its remote allocations",
            DEADLINE * 3,
            bound_is_shown,
        )
        .unwrap();
    keep("processes-80x24", &shown);
    for (key, name, what) in [
        ("2", "nodes", "numa_foreign"),
        ("3", "matrix", "between nodes"),
        ("4", "moves", "affinity"),
        ("5", "findings", "fix:"),
    ] {
        screen.press(key).unwrap();
        let shown = screen
            .wait_for(what, DEADLINE, |shown| shown.contains(what))
            .unwrap();
        keep(&format!("{name}-80x24"), &shown);
    }
    screen.resize(50, 160).unwrap();
    for (key, name, what) in [
        ("1", "processes", "total ("),
        ("2", "nodes", "numa_foreign"),
        ("3", "matrix", "between nodes"),
        ("4", "moves", "affinity"),
    ] {
        screen.press(key).unwrap();
        let shown = screen
            .wait_for(what, DEADLINE, |shown| {
                shown.contains(what) && shown.lines().count() > 24
            })
            .unwrap();
        keep(&format!("{name}-160x50"), &shown);
    }
    screen.press("q").unwrap();
    assert!(screen.finish(DEADLINE).unwrap().status.success());
}

/// Keeps a screen as an artifact.
fn keep(name: &str, screen: &str) {
    if let Some(folder) = std::env::var_os("NUMATRACE_ARTIFACTS") {
        let folder = PathBuf::from(folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("screen-{name}.txt")), screen).unwrap();
    }
}
