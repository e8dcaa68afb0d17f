//! Where memory lies in the end: `/proc/PID/numa_maps`, looked at now and then while a process lasts. Reading it touches no page.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::{
    facts::{Facts, resident::Resident},
    process::{ProcessIndex, Processes},
};

/// Processes that are looked at: each look walks all page tables of one.
const PROCESSES: usize = 64;

/// What is known of all processes; of each as it was when it was last looked at.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Residency {
    by_process: BTreeMap<ProcessIndex, Vec<Resident>>,
}

impl Residency {
    /// Looks at processes that still live. Those that ended keep what was seen last.
    pub fn look(
        &mut self,
        processes: &Processes,
        which: impl Iterator<Item = ProcessIndex>,
        facts: &mut impl Facts,
    ) {
        for index in which.take(PROCESSES) {
            let process = processes.get(index);
            if process.ended || process.kthread {
                continue;
            }
            let found = facts.numa_maps(process.pid);
            if !found.is_empty() {
                self.by_process.insert(index, found);
            }
        }
    }

    /// What was seen of a process; empty when it never was.
    pub fn of(&self, process: ProcessIndex) -> &[Resident] {
        self.by_process.get(&process).map_or(&[], Vec::as_slice)
    }
}
