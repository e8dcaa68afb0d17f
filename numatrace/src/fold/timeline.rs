//! What happened when: cross-node moves of threads and moves of pages, in the order the records came.
//!
//! Sums do not come from here. The list is bounded: in a storm its first part is kept, and the rest counted.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::enrich::{happening::Happening, process::ProcessIndex};

/// Most entries of a session or interval, 4 MiB of them.
const MOST: usize = 65_536;

/// What happened in a session or interval.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Timeline {
    all: Vec<Happening>,
    /// Things that happened when the list was full.
    pub dropped: u64,
}

impl Timeline {
    /// Takes in one thing.
    pub fn apply(&mut self, happening: Happening) {
        if self.all.len() < MOST {
            self.all.push(happening);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// Keeps what a question is answered yes for.
    pub fn retain(&mut self, keep: impl FnMut(&Happening) -> bool) {
        self.all.retain(keep);
    }

    /// Everything, by process and in order of time: records of different CPUs come out of order by a little.
    pub fn by_process(&self) -> BTreeMap<ProcessIndex, Vec<Happening>> {
        let mut by_process: BTreeMap<ProcessIndex, Vec<Happening>> = BTreeMap::new();
        for happening in &self.all {
            by_process
                .entry(happening.process)
                .or_default()
                .push(*happening);
        }
        for happenings in by_process.values_mut() {
            happenings.sort_by_key(|happening| happening.time_ns);
        }
        by_process
    }
}
