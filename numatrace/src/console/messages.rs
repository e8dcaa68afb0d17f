//! Messages to a person on stderr; stdout carries only data.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use crate::output::escape;

/// Amount of messages on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Errors only.
    Quiet,
    /// Everything that most users should read.
    Normal,
    /// Also each hook as it attaches.
    Verbose,
    /// Also diagnostics of the kernel side.
    Debug,
}

impl Verbosity {
    /// Returns the verbosity of `-q` and of repeated `-v`.
    pub fn from_flags(quiet: bool, verbose: u8) -> Self {
        match (quiet, verbose) {
            (true, _) => Self::Quiet,
            (false, 0) => Self::Normal,
            (false, 1) => Self::Verbose,
            (false, _) => Self::Debug,
        }
    }
}

/// Writes a line for a command without a session. Errors are ignored as by [`Console`]: a terminal
/// that is gone must not end the command.
pub fn say(line: &str) {
    let _ = io::stderr().write_all(message(line).as_bytes());
}

/// Returns a message as it is written: what people and files put into it is escaped here.
fn message(line: &str) -> String {
    format!("numatrace: {}\n", escape::lines(line))
}

/// Writes the messages of one session.
#[derive(Debug)]
pub struct Console {
    level: Verbosity,
    progress: bool,
    progress_shown: bool,
}

impl Console {
    /// Creates a console. A timed session on a terminal shows its progress.
    pub fn new(level: Verbosity, timed: bool) -> Self {
        Self {
            level,
            progress: timed && level > Verbosity::Quiet && io::stderr().is_terminal(),
            progress_shown: false,
        }
    }

    /// Creates a console that writes only errors, as under `top`, which owns the terminal.
    pub fn quiet() -> Self {
        Self::new(Verbosity::Quiet, false)
    }

    /// Returns whether only errors are written.
    pub fn is_quiet(&self) -> bool {
        self.level == Verbosity::Quiet
    }

    /// Writes a line that every user should read.
    pub fn say(&mut self, line: &str) {
        if self.level > Verbosity::Quiet {
            self.line(line);
        }
    }

    /// Writes a line even with `--quiet`: it explains the exit status.
    pub fn insist(&mut self, line: &str) {
        self.line(line);
    }

    /// Writes an error, even with `--quiet`.
    pub fn fail(&mut self, what: &str) {
        self.line(&format!("error: {what}"));
    }

    /// Writes a line with `--verbose`.
    pub fn detail(&mut self, line: &str) {
        if self.level >= Verbosity::Verbose {
            self.line(line);
        }
    }

    /// Shows the progress of a timed session on one line, which the next message overwrites.
    pub fn progress(&mut self, passed: Duration, whole: Duration) {
        if self.progress {
            self.write(&format!(
                "\r\x1b[K{} of {} s",
                passed.as_secs(),
                whole.as_secs()
            ));
            self.progress_shown = true;
        }
    }

    fn line(&mut self, line: &str) {
        let wipe = if self.progress_shown { "\r\x1b[K" } else { "" };
        self.progress_shown = false;
        self.write(&format!("{wipe}{}", message(line)));
    }

    /// Removes the progress line.
    pub fn clear(&mut self) {
        if self.progress_shown {
            self.progress_shown = false;
            self.write("\r\x1b[K");
        }
    }

    /// Ignores errors: a closed stderr is no reason to stop tracing.
    fn write(&self, text: &str) {
        let _ = io::stderr().write_all(text.as_bytes());
    }
}
