//! A bar on stderr for reading that takes over a second.

use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// Reading that takes no longer has no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// How far reading is, on a terminal, once it has taken a while.
pub struct Bar {
    bar: Option<ProgressBar>,
    length: u64,
    began: Instant,
    wanted: bool,
}

impl Bar {
    /// A bar for so many bytes; none when nobody is to see it, or the length is not known.
    #[must_use]
    pub fn new(length: u64, quiet: bool) -> Self {
        Self {
            bar: None,
            length,
            began: Instant::now(),
            wanted: !quiet && length > 0 && io::stderr().is_terminal(),
        }
    }

    /// So many bytes have been read.
    pub fn show(&mut self, read: u64) {
        if !self.wanted || self.began.elapsed() < PATIENCE {
            return;
        }
        let length = self.length;
        let bar = self.bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template(
                "reading {bar:30} {bytes} of {total_bytes}, {eta} left",
            );
            ProgressBar::new(length)
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        bar.set_position(read);
    }

    /// Takes it away.
    pub fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
