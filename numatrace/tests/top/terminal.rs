//! The terminal is given back when a thread panics, before the message, and with the settings it had.
//!
//! The test runs itself again on a pseudo terminal, because a panic that ends a process cannot be looked at from within.

use std::{
    fs::File,
    io::Read,
    os::fd::OwnedFd,
    process::{Command, Stdio},
};

use nix::{pty::openpty, sys::termios::tcgetattr};
use numatrace::output::tui::terminal::Taken;

/// Set for the run on the pseudo terminal.
const WITHIN: &str = "NUMATRACE_TEST_PANIC";

#[test]
fn a_panic_gives_the_terminal_back_before_its_message() {
    if std::env::var_os(WITHIN).is_some() {
        panics();
    }
    let pty = openpty(None, None).unwrap();
    let before = tcgetattr(&pty.slave).unwrap();
    let slave = || Stdio::from(File::from(pty.slave.try_clone().unwrap()));
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "terminal::a_panic_gives_the_terminal_back_before_its_message",
            "--nocapture",
        ])
        .env(WITHIN, "1")
        .stdin(slave())
        .stdout(slave())
        .stderr(slave())
        .spawn()
        .unwrap();
    let status = child.wait().unwrap();
    assert!(!status.success(), "it panicked");
    let after = tcgetattr(&pty.slave).unwrap();
    assert_eq!(before, after, "settings of the terminal");
    drop(pty.slave);
    let said = all(pty.master);
    let at = |text: &str| {
        said.find(text)
            .unwrap_or_else(|| panic!("no {text:?} in {said:?}"))
    };
    let (taken, given_back) = (at("\x1b[?1049h"), at("\x1b[?1049l"));
    assert!(taken < given_back, "{said:?}");
    assert!(at("\x1b[?25l") < at("\x1b[?25h"), "{said:?}");
    assert!(given_back < at("on purpose"), "{said:?}");
}

/// The run on the pseudo terminal: it is taken over by one thread, and another one panics.
fn panics() -> ! {
    let taken = Taken::over().unwrap();
    assert!(taken.is_ours());
    let other = std::thread::spawn(|| panic!("on purpose"));
    let _ = other.join();
    assert!(!taken.is_ours());
    std::process::exit(1);
}

/// Everything that was written to the other side, which is closed by now.
fn all(master: OwnedFd) -> String {
    let mut bytes = Vec::new();
    let mut master = File::from(master);
    let mut chunk = [0; 4096];
    // The end of a pseudo terminal is an error (EIO).
    while let Ok(count @ 1..) = master.read(&mut chunk) {
        bytes.extend_from_slice(&chunk[..count]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
