//! When a thread panics, the terminal is restored before the message, with the settings it had.
//!
//! The test runs itself again on a pseudo terminal, because a process cannot observe the panic that
//! ends it.

use std::{
    fs::File,
    io::Read,
    os::fd::OwnedFd,
    process::{Command, Stdio},
};

use nix::{pty::openpty, sys::termios::tcgetattr};
use numatrace::output::tui::terminal::RawTerminal;

/// Set for the run on the pseudo terminal.
const WITHIN: &str = "NUMATRACE_TEST_PANIC";

#[test]
fn a_panic_restores_the_terminal_before_its_message() {
    if std::env::var_os(WITHIN).is_some() {
        panics();
    }
    let pty = openpty(None, None).unwrap();
    let before = tcgetattr(&pty.slave).unwrap();
    let slave = || Stdio::from(File::from(pty.slave.try_clone().unwrap()));
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "terminal::a_panic_restores_the_terminal_before_its_message",
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
    let output = all(pty.master);
    let at = |text: &str| {
        output
            .find(text)
            .unwrap_or_else(|| panic!("no {text:?} in {output:?}"))
    };
    let (entered, restored) = (at("\x1b[?1049h"), at("\x1b[?1049l"));
    assert!(entered < restored, "{output:?}");
    assert!(at("\x1b[?25l") < at("\x1b[?25h"), "{output:?}");
    assert!(restored < at("on purpose"), "{output:?}");
}

/// Runs on the pseudo terminal: one thread enters raw mode, and another one panics.
fn panics() -> ! {
    let terminal = RawTerminal::enter().unwrap();
    assert!(terminal.is_raw());
    let other = std::thread::spawn(|| panic!("on purpose"));
    let _ = other.join();
    assert!(!terminal.is_raw());
    std::process::exit(1);
}

/// Returns everything that was written to the other side, which is closed by now.
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
