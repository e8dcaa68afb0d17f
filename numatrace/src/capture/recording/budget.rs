//! The memory and time that reading a recording may take. Few packed bytes can unpack to very many
//! things, each of which takes hundreds of times as much memory, so the things are counted before
//! they are made.
//!
//! A recording has a fixed allowance, and some more for each byte that was read. The things of an
//! honest recording are a small part of that: a process has a name and a start in nanoseconds,
//! which take more than four bytes, and a count or a record takes about one.

use super::{Garbled, weight::weight};

/// Bytes of memory for each kind of thing, in recordings of any length.
const FREE_BYTES: u64 = 256 << 20;
/// Further bytes of memory for each byte that was read.
const BYTES_EACH: u64 = 256;
/// Steps in recordings of any length: a second without optimization.
const FREE_STEPS: u64 = 1 << 18;
/// Further steps for each byte that was read.
const STEPS_EACH: u64 = 16;
/// Processes in recordings of any length. Each takes up to 10 KB once it is reported.
const FREE_PROCESSES: u64 = 1 << 15;
/// Bytes read for each further process.
const PROCESS_BYTES: u64 = 2;
/// Bytes of a count while it is taken in.
const COUNT: u64 = 160;

/// Why reading ends at the limits.
const TOO_MUCH: Garbled = Garbled(
    "the next part makes far more of its few bytes than a session does (it is damaged, or was \
     made to exhaust its reader)",
);

/// The part of the allowance that is used.
#[derive(Clone, Debug, Default)]
pub struct Budget {
    /// Bytes read so far.
    read: u64,
    steps: u64,
    /// Memory of unpacked values so far, bytes.
    values: u64,
}

impl Budget {
    /// Notes how many bytes of the recording were read.
    pub fn read_up_to(&mut self, bytes: u64) {
        self.read = bytes;
    }

    /// Uses the time for a number of steps: chunks, counts, records, or pids to check.
    ///
    /// # Errors
    /// There is no time left.
    pub fn steps(&mut self, count: usize) -> Result<(), Garbled> {
        self.steps = self.steps.saturating_add(count as u64);
        within(self.steps, self.allowed(FREE_STEPS, STEPS_EACH))
    }

    /// Uses the memory for the values of a piece of MessagePack.
    ///
    /// # Errors
    /// They take more memory than is left.
    pub fn values(&mut self, packed: &[u8]) -> Result<(), Garbled> {
        let limit = self.allowed(FREE_BYTES, BYTES_EACH);
        self.values = weight(packed, self.values, limit);
        within(self.values, limit)
    }

    /// Uses the time for the counts of a sweep, which are in memory together.
    ///
    /// # Errors
    /// There are too many.
    pub fn counts(&mut self, count: usize) -> Result<(), Garbled> {
        let bytes = COUNT.saturating_mul(count as u64);
        within(bytes, self.allowed(FREE_BYTES, BYTES_EACH))?;
        self.steps(count)
    }

    /// Checks that there may be a number of processes.
    ///
    /// # Errors
    /// There are too many.
    pub fn processes(&self, count: usize) -> Result<(), Garbled> {
        within(count as u64, FREE_PROCESSES + self.read / PROCESS_BYTES)
    }

    fn allowed(&self, free: u64, each: u64) -> u64 {
        free.saturating_add(each.saturating_mul(self.read))
    }
}

fn within(used: u64, allowed: u64) -> Result<(), Garbled> {
    if used > allowed {
        return Err(TOO_MUCH);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_machine_has_room_and_longer_recordings_have_more() {
        let mut budget = Budget::default();
        assert_eq!(budget.processes(30_000), Ok(()));
        assert_eq!(budget.counts(200_000), Ok(()));
        assert_eq!(budget.steps(100_000), Err(TOO_MUCH));
        assert_eq!(budget.processes(1_000_000), Err(TOO_MUCH));
        budget.read_up_to(4_000_000);
        assert_eq!(budget.counts(1 << 20), Ok(()));
        assert_eq!(budget.processes(1_000_000), Ok(()));
    }
}
