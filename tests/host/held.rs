//! A command that is held before its exec: nothing of it stays when the session does not begin, and
//! it begins as it would without a tracer.

use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use numatrace_tests::harness::marked::Mark;
use numatrace_tests::harness::programs;
use numatrace_tests::harness::running::Running;
use numatrace_tests::harness::terminal::OnTerminal;
use numatrace_tests::harness::tracer::{DEADLINE, READY};

/// Time in which a child ends whose tracer is gone.
const GONE: Duration = Duration::from_secs(5);

/// `sh -c SCRIPT`, in which `"$TRACE"` is numatrace.
fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command.env("TRACE", programs::numatrace().unwrap());
    command
}

/// Returns whether one of the marked processes is a child of the tracer that has not called exec.
fn holds(mark: &Mark, tracer: u32) -> bool {
    let exe = |pid: u32| std::fs::read_link(format!("/proc/{pid}/exe")).ok();
    let ours = exe(tracer);
    let children = mark.found().into_iter().filter(|pid| *pid != tracer);
    ours.is_some() && children.into_iter().any(|pid| exe(pid) == ours)
}

#[test]
fn no_child_is_left_when_the_tracer_is_killed_while_it_starts() {
    let mut held = 0;
    // Begins and ends of the time in which a child is held depend on the machine: it is looked for.
    for moment in 0..20_u64 {
        let mark = Mark::new();
        let mut command = Command::new(programs::numatrace().unwrap());
        command.args(["trace", "-q", "--", "cat"]);
        let mut tracer = Running::start(mark.put_on(&mut command)).unwrap();
        if moment % 2 == 0 {
            sleep(Duration::from_millis(20 + 40 * moment));
        } else {
            let begun = Instant::now();
            while !holds(&mark, tracer.pid()) && begun.elapsed() < Duration::from_secs(3) {
                sleep(Duration::from_millis(1));
            }
            sleep(Duration::from_millis(3 * moment));
        }
        held += u32::from(holds(&mark, tracer.pid()));
        tracer.signal(Signal::SIGKILL).unwrap();
        // A command that was released goes on until its input ends.
        tracer.hang_up();
        assert_eq!(mark.left_after(GONE), [0; 0], "moment {moment}");
    }
    assert!(held >= 5, "a child was held at {held} of the moments");
}

#[test]
fn no_child_is_left_when_the_session_fails_to_begin() {
    let mut failed = 0;
    for limit in [40, 44, 48, 52, 56, 64] {
        let mark = Mark::new();
        let script = format!("ulimit -n {limit}; exec \"$TRACE\" trace -q -- cat");
        let tracer = Running::start(mark.put_on(&mut shell(&script))).unwrap();
        let end = tracer.finish(DEADLINE).unwrap();
        failed += u32::from(!end.status.success());
        assert_eq!(
            mark.left_after(GONE),
            [0; 0],
            "{limit} descriptors: {end:?}"
        );
    }
    assert!(failed > 0, "every session began");
}

/// Returns the bits of a line of `/proc/PID/status`.
fn bits(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    u64::from_str_radix(line.expect("the line").trim_start_matches(':').trim(), 16).unwrap()
}

#[test]
fn a_command_begins_with_the_signals_that_the_tracer_began_with() {
    let of = |prologue: &str| {
        let script = format!(
            "{prologue} exec \"$TRACE\" trace -q -f json -o /dev/null -- \
                              cat /proc/self/status"
        );
        let end = Running::start(&mut shell(&script))
            .unwrap()
            .finish(DEADLINE)
            .unwrap();
        assert_eq!(end.status.code(), Some(0), "{end:?}");
        let signals = ["SigBlk", "SigIgn", "SigCgt"].map(|name| bits(&end.stdout, name));
        // The test program may itself have been started with signals ignored.
        let shells = Running::start(&mut shell("cat /proc/self/status")).unwrap();
        let before = bits(&shells.finish(DEADLINE).unwrap().stdout, "SigIgn");
        (signals, before)
    };
    let bit = |signal: Signal| 1_u64 << (signal as u32 - 1);
    let ([blocked, ignored, caught], before) = of("");
    assert_eq!((blocked, ignored, caught), (0, before, 0));
    let (hup, int) = (bit(Signal::SIGHUP), bit(Signal::SIGINT));
    // As nohup and a shell's `&` leave them.
    let ([_, ignored, _], before) = of("trap '' HUP INT;");
    assert_eq!(ignored, before | hup | int);
}

/// Starts `trace -- touch FILE` on a terminal and presses Ctrl-C after this time. Returns whether
/// the session had begun, its status, and whether the command has run.
fn interrupted(after: Duration, file: &Path) -> (bool, Option<i32>, bool) {
    let _ = std::fs::remove_file(file);
    let mut command = Command::new(programs::numatrace().unwrap());
    command.args(["trace", "--", "sh", "-c"]);
    command.arg(format!("sleep 5; touch {}", file.display()));
    let mut screen = OnTerminal::start_in_foreground(&mut command, 24, 80).unwrap();
    sleep(after);
    screen.press("\x03").unwrap();
    let left = screen.finish(DEADLINE).unwrap();
    let written = String::from_utf8_lossy(&left.bytes);
    (written.contains(READY), left.status.code(), file.exists())
}

#[test]
fn control_c_before_the_command_begins_ends_the_session_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ran");
    let mut before = 0;
    for moment in 0..9 {
        // A key before the first instruction ends any program; handlers are there within 50 ms.
        let after = Duration::from_millis(60 + 60 * moment);
        let (begun, status, ran) = interrupted(after, &file);
        assert!(!ran, "{after:?}: the command ran to its end");
        if begun {
            // The terminal's signal is the command's to answer then.
            assert_eq!(status, Some(130), "{after:?}");
        } else {
            before += 1;
            assert!(matches!(status, Some(130) | None), "{after:?}: {status:?}");
        }
    }
    assert!(before >= 3, "Ctrl-C came before the command {before} times");
}
