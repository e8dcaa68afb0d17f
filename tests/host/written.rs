//! Files of lines: they are at their path while the session runs, and output that is lost ends the
//! session and its command in one way.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use numatrace_tests::harness::marked::Mark;
use numatrace_tests::harness::programs;
use numatrace_tests::harness::running::{Finished, Running};
use numatrace_tests::harness::terminal::OnTerminal;
use numatrace_tests::harness::tracer::DEADLINE;
use numatrace_tests::harness::waiting::until;
use serde_json::Value;

/// Time in which processes are gone that were signalled.
const GONE: Duration = Duration::from_secs(3);

/// `sh -c SCRIPT` in a folder, in which `"$TRACE"` is numatrace.
fn shell(folder: &Path, script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(folder);
    command.env("TRACE", programs::numatrace().unwrap());
    command
}

fn ended(folder: &Path, script: &str) -> Finished {
    let running = Running::start(&mut shell(folder, script)).unwrap();
    running.finish(DEADLINE).unwrap()
}

/// Returns the documents of a file; every line is one.
fn documents(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let lines = whole.lines().filter(|line| *line != "older");
    lines
        .map(|line| serde_json::from_str(line).expect("a line is a document"))
        .collect()
}

#[test]
fn lines_are_at_their_path_while_the_session_runs_and_stay_when_it_is_killed() {
    for command in ["trace -i 0.2", "events"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        std::fs::write(&path, "older\n").unwrap();
        let script = format!("exec \"$TRACE\" {command} -q -f json -o lines");
        let session = Running::start(&mut shell(folder.path(), &script)).unwrap();
        until(command, DEADLINE, || documents(&path).len() >= 3);
        assert!(!session.has_ended(Duration::ZERO).unwrap());
        session.signal(Signal::SIGKILL).unwrap();
        assert!(session.has_ended(DEADLINE).unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("older"), "{command}: the older file is gone");
        assert!(documents(&path).len() >= 3, "{command}: {text}");
        let files = std::fs::read_dir(folder.path()).unwrap();
        assert_eq!(files.count(), 1, "{command}: nothing else is left");
    }
}

#[test]
fn the_reports_of_a_screen_are_at_their_path_while_it_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines");
    let mut command = Command::new(programs::numatrace().unwrap());
    command.args(["top", "-i", "0.3", "-o"]).arg(&path);
    let mut screen = OnTerminal::start_in_foreground(&mut command, 40, 120).unwrap();
    until("reports", DEADLINE, || documents(&path).len() >= 2);
    screen.press("q").unwrap();
    let left = screen.finish(DEADLINE).unwrap();
    assert_eq!(left.status.code(), Some(0), "{}", left.screen);
    assert!(documents(&path).len() >= 2);
}

#[test]
fn a_session_that_does_not_begin_leaves_an_older_file_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines");
    std::fs::write(&path, "older\n").unwrap();
    let script = "exec \"$TRACE\" trace -i 1 -f json -o lines -- ./nothing";
    let end = ended(folder.path(), script);
    assert_eq!(end.status.code(), Some(127), "{end:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "older\n");
}

#[test]
fn output_that_is_lost_ends_the_session_and_the_command_whether_by_an_error_or_by_its_reader() {
    let folder = tempfile::tempdir().unwrap();
    let trace = "\"$TRACE\" trace -i 0.2 -f json";
    // A command that is kept must not keep our pipes open.
    let sleep = "sh -c 'exec sleep 1000 >/dev/null 2>&1 4>&-'";
    for (script, status) in [
        (format!("{trace} -o /dev/full KEEP -- {sleep}"), 1),
        (format!("{trace} KEEP -- {sleep} > /dev/full"), 1),
        (
            format!("exec 4>&1; ({trace} KEEP -- {sleep}; echo $? >&4) | head -n 1 >/dev/null"),
            0,
        ),
    ] {
        for (keep, left) in [("", 0), ("--keep-running", 1)] {
            let mark = Mark::new();
            let script = script.replace("KEEP", keep);
            let mut command = shell(folder.path(), &script);
            let end = Running::start(mark.put_on(&mut command)).unwrap();
            let end = end.finish(DEADLINE).unwrap();
            let found = if status == 0 {
                end.stdout.trim().parse().ok()
            } else {
                end.status.code()
            };
            assert_eq!(found, Some(status), "{script}: {end:?}");
            if left == 0 {
                assert_eq!(mark.left_after(GONE), [0; 0], "{script}: {end:?}");
            } else {
                assert_eq!(mark.found().len(), left, "{script}: {end:?}");
            }
            if status == 1 {
                assert!(end.stderr.contains("cannot write the report"), "{end:?}");
            }
        }
    }
}

#[test]
fn a_result_over_the_command_to_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("server");
    std::fs::copy("/bin/true", &program).unwrap();
    for script in [
        "\"$TRACE\" trace -o server -- ./server",
        "\"$TRACE\" trace -i 1 -o ./server -- ./server",
        "\"$TRACE\" record -o server -- ./server",
        "PATH=.:$PATH \"$TRACE\" trace -o server -- server",
    ] {
        let end = ended(folder.path(), script);
        assert_eq!(end.status.code(), Some(2), "{script}: {end:?}");
        assert!(end.stderr.contains("would replace it"), "{end:?}");
    }
    let same = std::fs::read(&program).unwrap() == std::fs::read("/bin/true").unwrap();
    assert!(same, "the program is as it was");
}
