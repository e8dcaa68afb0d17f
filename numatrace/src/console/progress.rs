//! How far work is that takes over a second: a bar on stderr, on a terminal only, that is gone when the work is done.

use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// Work that takes no longer has no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is being done.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// Reading so many bytes.
    Reading(u64),
    /// Looking up names, of nobody knows how many stacks.
    Naming,
}

/// How far it is.
pub struct Progress {
    work: Work,
    bar: Option<ProgressBar>,
    began: Instant,
    wanted: bool,
}

impl Progress {
    /// Begins. Nothing is shown to who wants to be left alone, nor where stderr is no terminal.
    pub fn new(work: Work, quiet: bool) -> Self {
        Self {
            work,
            bar: None,
            began: Instant::now(),
            wanted: !quiet && io::stderr().is_terminal(),
        }
    }

    /// So much is done: bytes, stacks.
    pub fn show(&mut self, done: u64) {
        if self.wanted && self.began.elapsed() >= PATIENCE {
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
            "looking up names of functions, {pos} stacks",
        ),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
