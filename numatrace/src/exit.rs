//! Exit codes, and errors that know theirs.

use std::{fmt, process::ExitCode};

/// How a run ended, as its parent sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// It failed while running.
    Failed,
    /// The command line is wrong.
    Usage,
    /// A `--fail-if` limit was crossed.
    Crossed,
    /// This machine or user does not allow it.
    Refused,
    /// The launched command's own status, 128 + signal if it was killed, 126 or 127 when it could not be run or found.
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

/// An error with an exit code and a way out.
#[derive(Debug)]
pub struct Failure {
    /// The code.
    pub exit: Exit,
    /// What went wrong, in one line.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure with a code and a way out.
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

/// The exit code of an error: its own when it is a [`Failure`], "failed while running" otherwise.
pub fn code(error: &anyhow::Error) -> Exit {
    error
        .downcast_ref::<Failure>()
        .map_or(Exit::Failed, |failure| failure.exit)
}
