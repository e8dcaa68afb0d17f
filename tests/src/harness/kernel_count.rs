//! Events counted by the kernel itself, in a tracefs histogram: independent of numatrace's
//! programs.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

/// A histogram of a tracepoint, which the kernel keeps while this value lives.
#[derive(Debug)]
pub struct KernelCount {
    event: PathBuf,
    histogram: String,
}

impl KernelCount {
    /// Begins to count an event (`sched/sched_migrate_task`) by some of its fields.
    ///
    /// # Errors
    /// The kernel has no such event, field or histogram.
    pub fn begin(event: &str, keys: &str) -> Result<Self> {
        let count = Self {
            event: PathBuf::from("/sys/kernel/tracing/events").join(event),
            histogram: format!("hist:keys={keys}:size=4096"),
        };
        fs::write(count.event.join("trigger"), &count.histogram)
            .with_context(|| format!("no histogram of {event} by {keys}"))?;
        Ok(count)
    }

    /// Returns how often each combination of field values came, in the order of the keys.
    ///
    /// # Errors
    /// The histogram cannot be read, or had no room for all combinations.
    pub fn read(&self) -> Result<BTreeMap<Vec<u64>, u64>> {
        let text = fs::read_to_string(self.event.join("hist"))?;
        ensure!(text.contains("Dropped: 0"), "{text}");
        let mut counts = BTreeMap::new();
        for line in text.lines().filter(|line| line.starts_with('{')) {
            let mut numbers: Vec<u64> = line
                .split(|c: char| !c.is_ascii_digit())
                .filter_map(|word| word.parse().ok())
                .collect();
            let hits = numbers.pop().with_context(|| line.to_owned())?;
            *counts.entry(numbers).or_default() += hits;
        }
        Ok(counts)
    }
}

impl Drop for KernelCount {
    fn drop(&mut self) {
        let _ = fs::write(self.event.join("trigger"), format!("!{}", self.histogram));
    }
}
