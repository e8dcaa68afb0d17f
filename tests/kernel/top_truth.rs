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
fn a_bound_process_stands_first_with_its_cause_and_the_matrix_has_its_nodes() {
    let (a, b) = two_nodes_or_skip!();
    let _bound = Load::start(&format!(
        "\"$W\" bind --node {b} --cpu-node {a} --pages 2000"
    ));
    let _away = Load::start(&format!(
        "\"$W\" away --mib 16 --follow-mib 4 --node {a} --to {b} --ms 300"
    ));
    let mut command = Command::new(programs::numatrace().unwrap());
    let mut screen = OnTerminal::start(command.arg("top"), 24, 80).unwrap();
    let first_is_bound = |shown: &str| {
        let row = shown
            .lines()
            .skip_while(|line| !line.contains("PID process"))
            .nth(1);
        let row = row.unwrap_or_default();
        row.contains("workload")
            && row
                .split_whitespace()
                .nth(2)
                .is_some_and(|column| column != "0")
    };
    let shown = screen
        .wait_for(
            "the workload in its first row",
            DEADLINE * 3,
            first_is_bound,
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
