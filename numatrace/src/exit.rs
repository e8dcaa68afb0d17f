//! Exit codes, and errors that carry one.

use std::{fmt, process::ExitCode};

/// Exit code of numatrace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: success.
    Done,
    /// 1: it failed while running.
    Failed,
    /// 2: the command line is wrong.
    Usage,
    /// 3: a `--fail-if` limit was crossed.
    Crossed,
    /// 4: this machine or user does not allow it.
    Refused,
    /// Status of the launched command; 128 + signal if it was killed, 126 or 127 if it could not be
    /// run or found.
    Command(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => ExitCode::SUCCESS,
            Exit::Failed => ExitCode::from(1),
            Exit::Usage => ExitCode::from(2),
            Exit::Crossed => ExitCode::from(3),
            Exit::Refused => ExitCode::from(4),
            Exit::Command(status) => ExitCode::from(status),
        }
    }
}

/// An error with an exit code and a hint.
#[derive(Debug)]
pub struct Failure {
    /// Exit code.
    pub exit: Exit,
    /// Description, in one line.
    pub what: String,
    /// Remedy, in one line; `None` if there is none.
    pub hint: Option<String>,
}

impl Failure {
    /// Creates a failure with a hint.
    pub fn new(exit: Exit, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            exit,
            what: what.into(),
            hint: Some(hint.into()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

/// Returns the exit code of an error: that of a [`Failure`], or 1 for any other error.
pub fn code(error: &anyhow::Error) -> Exit {
    error
        .downcast_ref::<Failure>()
        .map_or(Exit::Failed, |failure| failure.exit)
}
