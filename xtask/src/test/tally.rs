//! Counts tests from the output of test programs as it passes by.

use std::{
    fmt,
    io::{self, Write},
    ops::{Add, AddAssign},
    sync::mpsc::Sender,
};

/// The numbers of tests that passed, failed and were skipped.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Passed. A test that ended early counts here and in `early`, since its harness knows no
    /// better.
    ended_well: u64,
    /// Ended early with a `skipped:` line, because the machine lacks something.
    early: u64,
    /// Ignored by the harness.
    ignored: u64,
    /// Failed. A test program that ended badly without a failed test counts as one.
    pub failed: u64,
}

impl Tally {
    /// Returns the tally of so many checks that passed and failed.
    #[must_use]
    pub fn new(passed: u64, failed: u64) -> Self {
        Self {
            ended_well: passed,
            failed,
            ..Self::default()
        }
    }

    /// Returns the tally with the program's status in it: a bad end that no failed test explains is
    /// a failure, and so is a program that printed no result.
    #[must_use]
    pub fn settled(mut self, success: bool) -> Self {
        let silent = self.ended_well == 0 && self.ignored == 0;
        if self.failed == 0 && (!success || silent) {
            self.failed = 1;
        }
        self
    }

    fn line(&mut self, line: &str) {
        if line.starts_with("skipped: ") {
            self.early += 1;
        }
        let Some((_, counts)) = line.split_once("test result: ") else {
            return;
        };
        let count = |what: &str| -> u64 {
            let part = counts
                .split([';', '.'])
                .find_map(|part| part.trim().strip_suffix(what));
            part.and_then(|number| number.trim().parse().ok())
                .unwrap_or(0)
        };
        self.ended_well += count("passed");
        self.failed += count("failed");
        self.ignored += count("ignored");
    }
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            ended_well: self.ended_well + other.ended_well,
            early: self.early + other.early,
            ignored: self.ignored + other.ignored,
            failed: self.failed + other.failed,
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passed = self.ended_well.saturating_sub(self.early);
        write!(
            f,
            "{passed} passed, {} failed, {} skipped",
            self.failed,
            self.early + self.ignored
        )
    }
}

/// Passes everything on and counts its lines.
pub struct Counted<W> {
    to: W,
    line: Vec<u8>,
    tally: Tally,
    at_the_end: Option<Sender<Tally>>,
}

impl<W: Write> Counted<W> {
    /// Passes on to `to`.
    pub fn new(to: W) -> Self {
        Self::with(to, None)
    }

    /// Passes on to `to`, and sends the count when it is dropped: for a writer that is given away.
    pub fn reporting(to: W, at_the_end: Sender<Tally>) -> Self {
        Self::with(to, Some(at_the_end))
    }

    fn with(to: W, at_the_end: Option<Sender<Tally>>) -> Self {
        Self {
            to,
            line: Vec::new(),
            tally: Tally::default(),
            at_the_end,
        }
    }

    /// Returns the tally so far, without an unended last line.
    pub fn tally(&self) -> Tally {
        self.tally
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, block: &[u8]) -> io::Result<usize> {
        let written = self.to.write(block)?;
        for byte in &block[..written] {
            if *byte == b'\n' {
                self.tally.line(&String::from_utf8_lossy(&self.line));
                self.line.clear();
            } else {
                self.line.push(*byte);
            }
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl<W> Drop for Counted<W> {
    fn drop(&mut self) {
        if let Some(sender) = &self.at_the_end {
            // The receiver is gone when the tier itself failed.
            let _ = sender.send(self.tally);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(text: &str) -> Tally {
        let mut to = Vec::new();
        let mut counter = Counted::new(&mut to);
        // In small blocks: lines do not come whole.
        text.as_bytes()
            .chunks(7)
            .for_each(|block| counter.write_all(block).unwrap());
        let tally = counter.tally();
        drop(counter);
        assert_eq!(to, text.as_bytes());
        tally
    }

    #[test]
    fn results_of_several_programs_add_up() {
        let text = "test a ... ok\n\
                    test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out\n\
                    test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; \
                    0 filtered out; finished in 0.1s\n";
        assert_eq!(counted(text).to_string(), "15 passed, 2 failed, 1 skipped");
    }

    #[test]
    fn a_test_that_ended_early_is_skipped_and_not_passed() {
        let text =
            "skipped: kernel::thp: no huge page\ntest result: ok. 2 passed; 0 failed; 0 ignored\n";
        assert_eq!(counted(text).to_string(), "1 passed, 0 failed, 1 skipped");
    }

    #[test]
    fn a_bad_end_without_a_failed_test_is_a_failure() {
        assert_eq!(
            counted("test result: ok. 2 passed; 0 failed; 0 ignored\n")
                .settled(true)
                .failed,
            0
        );
        assert_eq!(
            counted("test result: ok. 2 passed; 0 failed; 0 ignored\n")
                .settled(false)
                .failed,
            1
        );
        assert_eq!(counted("").settled(true).failed, 1, "no test ran");
        assert_eq!(
            counted("test result: FAILED. 2 passed; 3 failed\n")
                .settled(false)
                .failed,
            3
        );
    }

    #[test]
    fn a_given_away_counter_tells_at_its_end() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let mut counter = Counted::reporting(io::sink(), sender);
        counter
            .write_all(b"test result: ok. 2 passed; 0 failed\n")
            .unwrap();
        drop(counter);
        assert_eq!(receiver.recv().unwrap(), Tally::new(2, 0));
    }
}
