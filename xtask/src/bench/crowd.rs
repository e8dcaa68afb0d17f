//! `numatrace-bench crowd`: processes that do nothing, while a scenario measures what they cost a
//! tracer.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdin, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use super::Bench;

/// Processes that live until this is dropped.
pub struct Crowd {
    child: Child,
    stdin: Option<ChildStdin>,
    /// Their process ids, comma-separated.
    pub pids: String,
}

impl Crowd {
    /// Starts that many processes.
    ///
    /// # Errors
    /// The machine has no room for them.
    pub fn of(bench: &Bench, count: usize) -> Result<Self> {
        let mut child = Command::new(&bench.program)
            .args(["crowd", "--count", &count.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start the crowd")?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("no pipe")?;
        let mut crowd = Self {
            child,
            stdin,
            pids: String::new(),
        };
        BufReader::new(stdout).read_line(&mut crowd.pids)?;
        crowd.pids = crowd.pids.trim().to_owned();
        let found = crowd.pids.split(',').count();
        ensure!(
            found == count,
            "the machine has no room for {count} more processes"
        );
        Ok(crowd)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stdin = None;
        // The program ends with its stdin; its status is of no interest.
        let _ = self.child.wait();
    }
}
