//! Progress of slow work: a bar on stderr that appears after a second and disappears at the end.

use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// Work that takes less has no bar.
const DELAY: Duration = Duration::from_secs(1);

/// Kind of work.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// Read a file of this many bytes; 0 for an unknown size.
    Reading(u64),
    /// Look up the functions of stacks, whose number is unknown.
    Naming,
    /// Read the memory of this many processes; numa_maps of a large one is slow.
    Processes(u64),
}

/// Progress of one piece of work; dropping it removes the bar.
pub struct Progress {
    work: Work,
    bar: Option<ProgressBar>,
    began: Instant,
    visible: bool,
}

impl Progress {
    /// Begins. Shows nothing with `--quiet`, or when stderr is not a terminal.
    pub fn new(work: Work, quiet: bool) -> Self {
        Self {
            work,
            bar: None,
            began: Instant::now(),
            visible: !quiet && io::stderr().is_terminal(),
        }
    }

    /// Shows the amount done so far: bytes, stacks or processes.
    pub fn show(&mut self, done: u64) {
        if self.visible && self.began.elapsed() >= DELAY {
            let work = self.work;
            self.bar.get_or_insert_with(|| bar(work)).set_position(done);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn bar(work: Work) -> ProgressBar {
    let (bar, template) = match work {
        Work::Reading(0) => (ProgressBar::no_length(), "reading {bytes}"),
        Work::Reading(length) => (
            ProgressBar::new(length),
            "reading {bar:30} {bytes} of {total_bytes}, {eta} left",
        ),
        Work::Naming => (
            ProgressBar::no_length(),
            "looking up function names, {pos} stacks",
        ),
        Work::Processes(count) => (
            ProgressBar::new(count),
            "reading {bar:30} {pos} of {len} processes, {eta} left",
        ),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
