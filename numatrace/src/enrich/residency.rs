//! Where the memory of processes lies: the first and the last reading of each. The session reads
//! `/proc/PID/numa_maps` from time to time, because a process that has ended has no memory.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    facts::resident::{Gap, Pages, Reading, Resident},
    process::{ProcessIndex, Processes},
};

/// Most processes whose readings are kept: some 5 MB of sums. A session about the whole machine
/// reads at most 32 new ones each second.
const PROCESSES: usize = 16_384;

/// The readings of all processes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Residency {
    readings: BTreeMap<ProcessIndex, Readings>,
    /// Readings of processes for which there was no room.
    pub no_room: u64,
}

/// The readings of one process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Readings {
    /// The first one of the interval.
    pub first: Option<Placed>,
    /// The last one.
    last: Option<Placed>,
    /// The last one with at least half as much memory as the largest, if later ones have less.
    before_release: Option<Placed>,
    /// The CPUs that its main thread might run on at the last reading, as a list.
    pub cpus: Option<String>,
    /// Why the newest reading is not whole; `None` when it is.
    pub gap: Option<Gap>,
    /// Pages of its own in the largest reading.
    most: u64,
}

/// Sums of one reading.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Placed {
    /// Time of the reading, ns since boot.
    pub at_ns: u64,
    /// Base pages of its own on each node.
    pub own: Pages,
    /// Base pages of files on each node.
    pub files: Pages,
    /// Each mapping; empty in the first reading, and in a session that wants sums.
    pub mappings: Vec<Resident>,
}

fn sum(pages: &Pages) -> u64 {
    pages.iter().map(|(_, pages)| *pages).sum()
}

impl Residency {
    /// Takes in a reading of a process. Returns whether it is the first one.
    pub fn add(&mut self, process: ProcessIndex, reading: &Reading) -> bool {
        if self.readings.len() >= PROCESSES && !self.readings.contains_key(&process) {
            self.no_room = self.no_room.saturating_add(1);
            return false;
        }
        let known = self.readings.entry(process).or_default();
        let is_first = known.last.is_none();
        known.add(reading);
        is_first
    }

    /// Returns the readings of a process; `None` when nobody tried.
    pub fn of(&self, process: ProcessIndex) -> Option<&Readings> {
        self.readings.get(&process)
    }

    /// Forgets the readings of all other processes.
    pub fn retain(&mut self, keep: impl Fn(ProcessIndex) -> bool) {
        self.readings.retain(|process, _| keep(*process));
    }

    /// Begins the next interval: the last reading of this one is the first one of the next.
    pub fn next_interval(&mut self, processes: &Processes) {
        self.readings
            .retain(|process, _| processes.knows(*process) && !processes.get(*process).ended);
        for known in self.readings.values_mut() {
            known.first.clone_from(&known.last);
            known.most = 0;
        }
    }
}

impl Readings {
    /// Returns the last reading. Of a process that has ended, that is the last one with at least
    /// half as much memory as the largest: programs give their memory back on their way out.
    pub fn last(&self, ended: bool) -> Option<&Placed> {
        let before = self.before_release.as_ref().filter(|_| ended);
        before.or(self.last.as_ref())
    }

    fn add(&mut self, reading: &Reading) {
        self.gap = reading.gap;
        if reading.cpus.is_some() {
            self.cpus.clone_from(&reading.cpus);
        }
        let own = sum(&reading.own);
        // A part of the mappings says nothing about the rest, and a process on its way out has
        // none.
        if reading.gap.is_some() || own + sum(&reading.files) == 0 {
            return;
        }
        let sums = Placed {
            at_ns: reading.at_ns,
            own: reading.own.clone(),
            files: reading.files.clone(),
            mappings: Vec::new(),
        };
        self.first.get_or_insert_with(|| sums.clone());
        let before = self.last.replace(Placed {
            mappings: reading.mappings.clone(),
            ..sums
        });
        self.most = self.most.max(own);
        if own.saturating_mul(2) >= self.most {
            self.before_release = None;
        } else if self.before_release.is_none() {
            self.before_release = before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::NodeId;

    fn reading(at_ns: u64, own: u64) -> Reading {
        Reading {
            at_ns,
            own: vec![(NodeId(1), own)],
            files: vec![(NodeId(0), 3)],
            ..Reading::default()
        }
    }

    #[test]
    fn memory_that_is_given_back_at_the_end_still_says_where_a_process_lived() {
        let mut known = Readings::default();
        for (at_ns, own) in [(1, 10), (2, 100), (3, 60), (4, 2), (5, 0)] {
            known.add(&reading(at_ns, own));
        }
        assert_eq!(known.first.as_ref().unwrap().at_ns, 1);
        assert_eq!(known.last(false).unwrap().at_ns, 5);
        assert_eq!(known.last(true).unwrap().at_ns, 3);
        known.add(&reading(6, 90));
        assert_eq!(known.last(true).unwrap().at_ns, 6);
    }

    #[test]
    fn readings_without_room_are_counted_and_known_processes_go_on() {
        let mut residency = Residency::default();
        let index = |number: usize| ProcessIndex::of_test(u32::try_from(number).unwrap());
        for number in 0..PROCESSES + 3 {
            residency.add(index(number), &reading(1, 10));
        }
        residency.add(index(0), &reading(2, 20));
        assert_eq!(
            (residency.readings.len(), residency.no_room),
            (PROCESSES, 3)
        );
        assert_eq!(
            residency.of(index(0)).unwrap().last(false).unwrap().at_ns,
            2
        );
    }

    #[test]
    fn a_part_of_a_reading_replaces_nothing() {
        let mut known = Readings::default();
        known.add(&reading(1, 10));
        known.add(&Reading {
            gap: Some(Gap::Cut),
            ..reading(2, 5)
        });
        assert_eq!(known.last(true).unwrap().at_ns, 1);
        assert_eq!(known.gap, Some(Gap::Cut));
    }
}
