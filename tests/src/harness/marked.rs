//! Finds everything that a test has started: processes with a variable in their environment that
//! no other process has, children that were never asked about and orphans included.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A mark of one test run.
#[derive(Debug)]
pub struct Mark(String);

/// Name of the variable.
const VARIABLE: &str = "NUMATRACE_TEST_MARK";

impl Mark {
    /// Makes a mark that nothing has.
    #[must_use]
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(format!("{}-{number}", std::process::id()))
    }

    /// Marks a command and everything that comes of it.
    pub fn put_on<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env(VARIABLE, &self.0)
    }

    /// Returns the marked processes that run, zombies left out.
    #[must_use]
    pub fn found(&self) -> Vec<u32> {
        let variable = format!("{VARIABLE}={}", self.0);
        let pids = std::fs::read_dir("/proc").into_iter().flatten();
        let pids = pids.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.filter(|pid: &u32| {
            // The environment of a zombie is empty.
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment
                .split(|byte| *byte == 0)
                .any(|entry| entry == variable.as_bytes())
        })
        .collect()
    }

    /// Returns the marked processes that still run when the deadline has passed; none as soon as
    /// there are none.
    #[must_use]
    pub fn left_after(&self, deadline: Duration) -> Vec<u32> {
        let begun = Instant::now();
        loop {
            let found = self.found();
            if found.is_empty() || begun.elapsed() > deadline {
                return found;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Default for Mark {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        for pid in self
            .found()
            .into_iter()
            .filter_map(|pid| i32::try_from(pid).ok())
        {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}
