//! The nodes of a process's memory: `/proc/PID/numa_maps`, read from time to time while the process
//! lives. Reading it touches no page.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    facts::{Facts, resident::Resident},
    process::{ProcessIndex, Processes},
};

/// Most processes that are read at a time: each reading walks all page tables of the process.
const PROCESSES: usize = 64;

/// The resident pages of processes, at the last reading of each.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Residency {
    by_process: BTreeMap<ProcessIndex, Vec<Resident>>,
}

impl Residency {
    /// Reads the processes that still live. Those that ended keep their last reading.
    pub fn refresh(
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

    /// Returns the last reading of a process; empty when it was never read.
    pub fn of(&self, process: ProcessIndex) -> &[Resident] {
        self.by_process.get(&process).map_or(&[], Vec::as_slice)
    }
}
