//! What is said to a person, on stderr: stdout carries data only.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use crate::plan::Verbosity;

/// The voice of a session.
#[derive(Debug)]
pub struct Console {
    level: Verbosity,
    progress: bool,
    shown: bool,
}

impl Console {
    /// A voice as loud as the plan wants; progress only for a timed session on a terminal.
    pub fn new(level: Verbosity, timed: bool) -> Self {
        Self {
            level,
            progress: timed && level > Verbosity::Quiet && io::stderr().is_terminal(),
            shown: false,
        }
    }

    /// Says a line everybody should read.
    pub fn say(&mut self, line: &str) {
        if self.level > Verbosity::Quiet {
            self.line(line);
        }
    }

    /// Says a line that even those read who wanted quiet: it is why the run ends as it does.
    pub fn insist(&mut self, line: &str) {
        self.line(line);
    }

    /// Says what went wrong, to everybody.
    pub fn fail(&mut self, what: &str) {
        self.line(&format!("error: {what}"));
    }

    /// Says a line for those who asked for more.
    pub fn detail(&mut self, line: &str) {
        if self.level >= Verbosity::Verbose {
            self.line(line);
        }
    }

    /// Shows how far a timed session is, on one line that is written over.
    pub fn progress(&mut self, passed: Duration, whole: Duration) {
        if self.progress {
            self.write(&format!(
                "\r\x1b[K{} of {} s",
                passed.as_secs(),
                whole.as_secs()
            ));
            self.shown = true;
        }
    }

    fn line(&mut self, line: &str) {
        let wipe = if self.shown { "\r\x1b[K" } else { "" };
        self.shown = false;
        self.write(&format!("{wipe}numatrace: {line}\n"));
    }

    /// Takes the progress line away.
    pub fn clear(&mut self) {
        if self.shown {
            self.shown = false;
            self.write("\r\x1b[K");
        }
    }

    /// A closed stderr is no reason to stop tracing.
    fn write(&self, text: &str) {
        let _ = io::stderr().write_all(text.as_bytes());
    }
}
