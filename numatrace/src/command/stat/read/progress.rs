//! A line on a terminal's stderr while many processes are read: numa_maps of large ones is slow.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

/// Work that takes less needs no words.
const QUIET: Duration = Duration::from_secs(1);

/// How often the line is written.
const EVERY: Duration = Duration::from_millis(200);

/// Progress through a known number of processes.
pub struct Progress {
    all: usize,
    next: Option<Instant>,
    shown: bool,
}

impl Progress {
    /// Progress that starts now; silent where stderr is no terminal.
    pub fn new(all: usize) -> Self {
        Self {
            all,
            next: stderr().is_terminal().then(|| Instant::now() + QUIET),
            shown: false,
        }
    }

    /// Says how many are done, when it is time to.
    pub fn show(&mut self, done: usize) {
        let Some(next) = self.next else { return };
        let now = Instant::now();
        if now < next {
            return;
        }
        self.next = Some(now + EVERY);
        self.shown = true;
        // Nobody can be told that stderr is gone.
        let _ = write!(
            stderr(),
            "\rnumatrace: read {done} of {} processes",
            self.all
        );
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}
