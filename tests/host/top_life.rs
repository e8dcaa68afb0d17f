//! `numatrace top` on terminals of any size, stopped and continued, and after the end of those that
//! it looks at.

use std::process::{Child, Command};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use numatrace_tests::harness::programs;
use numatrace_tests::harness::running::Running;
use numatrace_tests::harness::terminal::OnTerminal;
use numatrace_tests::harness::tracer::DEADLINE;

/// The first frame takes a whole start and an interval, and several tests may run at once.
const START: Duration = Duration::from_secs(3 * DEADLINE.as_secs());

fn numatrace(args: &[&str]) -> Command {
    let mut command = Command::new(programs::numatrace().unwrap());
    command.args(args);
    command
}

/// Starts `top` and waits for its first frame.
fn opened(args: &[&str]) -> OnTerminal {
    let screen = OnTerminal::start(numatrace(&["top"]).args(args), 24, 80).unwrap();
    screen
        .wait_for("a first look", START, |shown| shown.contains("audit "))
        .unwrap();
    screen
}

/// A program that waits, ended on drop.
struct Waiting(Child);

impl Waiting {
    fn start() -> Self {
        Self(Command::new("sleep").arg("1000").spawn().unwrap())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_terminal_of_any_size_takes_keys() {
    for (rows, columns) in [(1, 1), (9_999, 9_999), (u16::MAX, u16::MAX), (0, 0)] {
        let mut screen = opened(&[]);
        screen.claim(rows, columns).unwrap();
        // Drawn at that size, before the key is.
        screen.press("2").unwrap();
        screen.press("q").unwrap();
        let left = screen.finish(DEADLINE).unwrap();
        assert!(left.status.success(), "{rows} x {columns}: {left:?}");
        assert!(left.as_before, "{rows} x {columns}");
    }
}

#[test]
fn a_screen_that_was_stopped_takes_the_terminal_again() {
    const OTHER_SCREEN: &str = "\x1b[?1049h";
    let mut screen = opened(&[]);
    screen.wait_for_output(OTHER_SCREEN, 1, DEADLINE).unwrap();
    screen.signal(Signal::SIGSTOP).unwrap();
    screen.take_back().unwrap();
    screen.signal(Signal::SIGCONT).unwrap();
    screen.wait_for_output(OTHER_SCREEN, 2, DEADLINE).unwrap();
    // Without raw mode a key would wait for the end of its line.
    screen.press("q").unwrap();
    let left = screen.finish(DEADLINE).unwrap();
    assert!(left.status.success() && left.as_before, "{left:?}");
}

#[test]
fn a_screen_about_a_process_ends_with_it_and_says_so() {
    let mut target = Waiting::start();
    let screen = opened(&["-p", &target.0.id().to_string()]);
    target.0.kill().unwrap();
    target.0.wait().unwrap();
    let left = screen.finish(DEADLINE).unwrap();
    assert!(left.status.success() && left.as_before, "{left:?}");
    let said = "all processes of -p have ended";
    assert!(left.screen.contains(said), "{}", left.screen);
}

#[test]
fn a_process_that_nobody_waited_for_has_ended() {
    let mut target = Waiting::start();
    let pid = target.0.id();
    let tracer = Running::start(&mut numatrace(&["trace", "-p", &pid.to_string()])).unwrap();
    tracer
        .wait_for(numatrace_tests::harness::tracer::READY, DEADLINE)
        .unwrap();
    target.0.kill().unwrap();
    // Waits for its end and leaves it a zombie.
    let id = Id::Pid(Pid::from_raw(i32::try_from(pid).unwrap()));
    waitid(id, WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).unwrap();
    let ended = tracer.finish(DEADLINE).unwrap();
    assert!(ended.status.success(), "{ended:?}");
}

#[test]
fn a_terminal_without_a_cursor_is_refused() {
    let mut command = Command::new("env");
    command.arg("TERM=dumb").arg(programs::numatrace().unwrap());
    let screen = OnTerminal::start(command.arg("top"), 24, 80).unwrap();
    let left = screen.finish(DEADLINE).unwrap();
    assert_eq!(left.status.code(), Some(2), "{left:?}");
    assert!(left.screen.contains("TERM is dumb"), "{}", left.screen);
}
