//! Ends from outside: signals and deadlines end the session with a report, and the command with
//! everything in its process group.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use numatrace_tests::harness::marked::Mark;
use numatrace_tests::harness::programs;
use numatrace_tests::harness::report::Report;
use numatrace_tests::harness::running::Running;
use numatrace_tests::harness::terminal::OnTerminal;
use numatrace_tests::harness::tracer::{DEADLINE, READY};
use numatrace_tests::harness::waiting::until;

fn trace(args: &[&str]) -> Command {
    let mut command = Command::new(programs::numatrace().unwrap());
    command.arg("trace").args(args);
    command
}

/// Time in which processes are gone that were signalled.
const GONE: Duration = Duration::from_secs(3);

#[test]
fn signals_of_other_processes_end_the_session_and_its_command_with_a_report() {
    let folder = tempfile::tempdir().unwrap();
    for signal in [
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGQUIT,
        Signal::SIGUSR1,
    ] {
        let (mark, path) = (Mark::new(), folder.path().join(signal.as_str()));
        let mut command = trace(&["-f", "json", "-o", path.to_str().unwrap(), "--"]);
        command.args(["sleep", "1000"]);
        let tracer = Running::start(mark.put_on(&mut command)).unwrap();
        tracer.wait_for(READY, DEADLINE).unwrap();
        tracer.signal(signal).unwrap();
        let end = tracer.finish(DEADLINE).unwrap();
        assert_eq!(end.status.code(), Some(0), "{signal}: {end:?}");
        let report = Report::read(&path).unwrap();
        assert_eq!(report.value["session"]["ended_by"], "signal", "{signal}");
        assert_eq!(mark.left_after(GONE), [0; 0], "{signal}: the command stays");
    }
}

#[test]
fn a_session_under_nohup_survives_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let script = "trap '' HUP; exec \"$TRACE\" trace -f json -o \"$REPORT\" -- cat";
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command.env("TRACE", programs::numatrace().unwrap());
    command.env("REPORT", &path);
    let tracer = Running::start(&mut command).unwrap();
    tracer.wait_for(READY, DEADLINE).unwrap();
    tracer.signal(Signal::SIGHUP).unwrap();
    assert!(!tracer.has_ended(Duration::from_millis(500)).unwrap());
    let end = tracer.finish(DEADLINE).unwrap();
    assert_eq!(end.status.code(), Some(0), "{end:?}");
    assert_eq!(
        Report::read(&path).unwrap().value["session"]["ended_by"],
        "exit"
    );
}

#[test]
fn a_dropped_connection_leaves_a_report_and_no_command() {
    let folder = tempfile::tempdir().unwrap();
    let (mark, path) = (Mark::new(), folder.path().join("report.json"));
    let mut command = trace(&["-f", "json", "-o", path.to_str().unwrap(), "--"]);
    command.args(["sleep", "1000"]);
    let screen = OnTerminal::start_in_foreground(mark.put_on(&mut command), 24, 80).unwrap();
    screen
        .wait_for("that it traces", DEADLINE, |shown| shown.contains(READY))
        .unwrap();
    screen.signal(Signal::SIGHUP).unwrap();
    let left = screen.finish(DEADLINE).unwrap();
    assert_eq!(left.status.code(), Some(0), "{left:?}");
    Report::read(&path).unwrap();
    assert_eq!(mark.left_after(GONE), [0; 0]);
}

#[test]
fn a_deadline_ends_the_processes_of_the_commands_group_and_no_others() {
    let mark = Mark::new();
    // A child, an orphan, a child that ignores SIGTERM, and a process that left the group.
    let script = "sleep 1000 & (sleep 1001 &); (trap '' TERM; exec sleep 1002) & \
                  setsid sleep 1003 >/dev/null 2>&1 & wait";
    let mut command = trace(&["-d", "1", "-q", "-f", "json", "-o", "/dev/null", "--"]);
    command.args(["sh", "-c", script]);
    let tracer = Running::start(mark.put_on(&mut command)).unwrap();
    let end = tracer.finish(DEADLINE).unwrap();
    let left = mark.found();
    let [daemon] = left[..] else {
        panic!("{left:?} are left, not one: {end:?}");
    };
    let line = std::fs::read(format!("/proc/{daemon}/cmdline")).unwrap();
    assert_eq!(line, b"sleep\x001003\0");
    kill(
        Pid::from_raw(i32::try_from(daemon).unwrap()),
        Signal::SIGKILL,
    )
    .unwrap();
}

#[test]
fn control_c_on_the_terminal_is_the_commands_and_the_report_follows() {
    let script = "trap 'echo asked; exit 7' INT; echo begun; while :; do sleep 0.1; done";
    let mut command = trace(&["--", "sh", "-c", script]);
    let mut screen = OnTerminal::start_in_foreground(&mut command, 50, 120).unwrap();
    screen
        .wait_for("the command and the session", DEADLINE, |shown| {
            shown.contains("begun") && shown.contains(READY)
        })
        .unwrap();
    screen.press("\x03").unwrap();
    let left = screen.finish(DEADLINE).unwrap();
    assert_eq!(left.status.code(), Some(7), "{}", left.screen);
    let written = String::from_utf8_lossy(&left.bytes);
    assert!(
        written.contains("asked") && written.contains("status 7"),
        "{written}"
    );
}

/// `sh -c SCRIPT` in a folder, in which `"$TRACE"` is numatrace.
fn shell(folder: &Path, script: &str) -> Running {
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(folder);
    command.env("TRACE", programs::numatrace().unwrap());
    Running::start(&mut command).unwrap()
}

#[test]
fn a_limit_of_file_sizes_ends_a_recording_as_a_full_disk_does() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    std::fs::write(&log, "older\n").unwrap();
    for to in ["r.nmt", "/dev/stdout >> log"] {
        let script = format!("ulimit -f 4; exec \"$TRACE\" record -d 3 --stacks 0 -o {to}");
        let end = shell(folder.path(), &script).finish(DEADLINE).unwrap();
        assert_eq!(end.status.code(), Some(1), "{to}: {end:?}");
        assert!(end.stderr.contains("File too large"), "{to}: {end:?}");
    }
    // The log is not ours alone: nothing is cut off it.
    assert!(std::fs::read(&log).unwrap().starts_with(b"older\n"));
}

/// Returns the number of files of a folder that a process has open, with or without a name.
fn files_in(folder: &Path, pid: u32) -> usize {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let files: BTreeSet<PathBuf> = descriptors
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter(|file| file.starts_with(folder))
        .collect();
    files.len()
}

#[test]
fn a_flight_recorder_that_is_killed_leaves_its_recording_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let script = "exec \"$TRACE\" record --max-size 64K --stacks 0 -o r.nmt";
    for _ in 0..2 {
        let recorder = shell(folder.path(), script);
        recorder.wait_for(READY, DEADLINE).unwrap();
        // The next file begins when this one is half full, and has no name for now.
        until("the next file", DEADLINE, || {
            files_in(folder.path(), recorder.pid()) == 2
        });
        recorder.signal(Signal::SIGKILL).unwrap();
        assert!(recorder.has_ended(DEADLINE).unwrap());
        let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(files.len(), 1, "{files:?}");
    }
    let report = "\"$TRACE\" report -f json r.nmt";
    let end = shell(folder.path(), report).finish(DEADLINE).unwrap();
    assert_eq!(end.status.code(), Some(0), "{end:?}");
}

/// Returns the reader of a tracer, which has begun to read.
fn reader_of(tracer: u32) -> Option<u32> {
    let children = format!("/proc/{tracer}/task/{tracer}/children");
    let children = std::fs::read_to_string(children).ok()?;
    let mut pids = children
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok());
    pids.find(|pid: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.lines().any(|line| line == "Seccomp:\t2")
    })
}

#[test]
fn a_signal_ends_the_wait_for_a_build_id() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.nmt");
    let touch = programs::workload().unwrap();
    let script = format!(
        "echo begun; read go; cat /proc/self/maps >/dev/null; read go; exec {} touch --mib 64",
        touch.display()
    );
    let mut program = Running::start(Command::new("sh").args(["-c", &script])).unwrap();
    program.wait_for_output("begun", DEADLINE).unwrap();
    let mut command = Command::new(programs::numatrace().unwrap());
    command.args(["record", "-q", "--stacks", "1", "-o"]);
    command.arg(&path).args(["-p", &program.pid().to_string()]);
    let recorder = Running::start(&mut command).unwrap();
    until("the session", DEADLINE, || path.exists());
    program.send("\n").unwrap();
    until("its reader", DEADLINE, || {
        reader_of(recorder.pid()).is_some()
    });
    let reader = Pid::from_raw(i32::try_from(reader_of(recorder.pid()).unwrap()).unwrap());
    kill(reader, Signal::SIGSTOP).unwrap();
    // A file that the reader does not know: the recorder waits for its answer.
    program.send("\n").unwrap();
    until("the wait", DEADLINE, || {
        files_in(touch.parent().unwrap(), recorder.pid()) > 0
    });
    let asked = Instant::now();
    recorder.signal(Signal::SIGINT).unwrap();
    let end = recorder.finish(DEADLINE).unwrap();
    let took = asked.elapsed();
    assert_eq!(end.status.code(), Some(0), "{end:?}");
    // A reader that does not answer is waited for five seconds.
    assert!(took < Duration::from_secs(4), "{took:?}");
}
