//! New mappings whose process is not known yet: the record of a mapping can come before the record
//! of its process's birth.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::{maps::MapLine, process::Processes, spaces::Spaces};
use crate::{decode::mapping_record::MappingMade, ids::Pid};

/// Time in ns for which records of processes without interest are kept. An exec takes milliseconds,
/// and its process is announced at its end.
const KEPT_NS: u64 = 1_000_000_000;

/// Most records that wait for one process, the newest ones. An exec makes some dozens.
const EACH: usize = 1_024;

/// Most processes with waiting records.
const PROCESSES: usize = 16_384;

/// The waiting records.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PendingMappings {
    /// Sorted by pid, so that of two names of one file the same one stays, live and replayed.
    by_pid: BTreeMap<Pid, Waiting>,
    newest_ns: u64,
    /// Records for which there was no room.
    pub no_room: u64,
}

/// The records of one pid, in order of time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Waiting {
    made: VecDeque<MappingMade>,
    /// Older records that were dropped for newer ones.
    dropped: u64,
}

impl PendingMappings {
    /// Adds a record.
    pub fn push(&mut self, made: MappingMade) {
        if self.by_pid.len() >= PROCESSES && !self.by_pid.contains_key(&made.pid) {
            self.no_room += 1;
            return;
        }
        self.newest_ns = self.newest_ns.max(made.time_ns);
        let waiting = self.by_pid.entry(made.pid).or_default();
        if waiting.made.len() >= EACH {
            waiting.made.pop_front();
            waiting.dropped += 1;
        }
        waiting.made.push_back(made);
    }

    /// Returns the number of pids for which records wait.
    pub fn len(&self) -> usize {
        self.by_pid.len()
    }

    /// Returns whether no records wait.
    pub fn is_empty(&self) -> bool {
        self.by_pid.is_empty()
    }

    /// Assigns the records of a pid to its processes.
    pub fn assign(&mut self, pid: Pid, processes: &Processes, spaces: &mut Spaces) {
        if let Some(waiting) = self.by_pid.remove(&pid) {
            // Dropped records are a loss only for a process of interest.
            self.no_room += waiting.dropped;
            for made in waiting.made {
                if let Some(process) = processes.alive_at(pid, made.time_ns) {
                    let time_ns = made.time_ns;
                    spaces.recorded(process, made.into(), time_ns);
                }
            }
        }
    }

    /// Assigns the records of all processes of interest, and drops records that are too old.
    /// Checks processes, not records: a process without interest may have many.
    pub fn assign_all(&mut self, processes: &Processes, spaces: &mut Spaces) {
        let since = self.newest_ns.saturating_sub(KEPT_NS);
        let wanted: Vec<Pid> = self
            .by_pid
            .iter()
            .filter(|(pid, waiting)| {
                let ends = [waiting.made.front(), waiting.made.back()];
                ends.into_iter().flatten().any(|made| {
                    let process = processes.alive_at(**pid, made.time_ns);
                    process.is_some_and(|index| processes.get(index).announced || spaces.has(index))
                })
            })
            .map(|(pid, _)| *pid)
            .collect();
        for pid in wanted {
            self.assign(pid, processes, spaces);
        }
        self.by_pid.retain(|_, waiting| {
            while waiting
                .made
                .front()
                .is_some_and(|made| made.time_ns < since)
            {
                waiting.made.pop_front();
            }
            !waiting.made.is_empty()
        });
    }
}

impl From<MappingMade> for MapLine {
    fn from(made: MappingMade) -> Self {
        let MappingMade {
            pid: _,
            time_ns: _,
            start,
            end,
            executable,
            writable,
            shared,
            offset,
            file,
            name,
        } = made;
        Self {
            start,
            end,
            executable,
            writable,
            shared,
            offset,
            file,
            name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decode::event::TaskFork, enrich::process::ProcessIndex, model::Name};

    fn made(pid: u32, time_ns: u64, name: &str) -> MappingMade {
        MappingMade {
            pid: Pid(pid),
            time_ns,
            start: 0x1000,
            end: 0x2000,
            executable: true,
            writable: false,
            shared: false,
            offset: 0,
            file: None,
            name: Name::from(name),
        }
    }

    fn born(processes: &mut Processes, pid: u32, start_ns: u64) {
        processes.forked(&TaskFork {
            pid: Pid(pid),
            start_ns,
            parent: Pid(1),
            kthread: false,
            comm: Name::from("child"),
        });
    }

    fn name(spaces: &Spaces, process: Option<ProcessIndex>) -> Option<Name> {
        Some(spaces.line(process?, 0x1800)?.name.clone())
    }

    #[test]
    fn each_process_of_a_number_gets_what_it_mapped_itself() {
        let (mut pending, mut spaces) = (PendingMappings::default(), Spaces::default());
        let mut processes = Processes::default();
        pending.push(made(7, 1_050_000_000, "first"));
        pending.push(made(7, 1_950_000_000, "second"));
        pending.assign_all(&processes, &mut spaces);
        assert_eq!(
            pending.by_pid[&Pid(7)].made.len(),
            2,
            "the process is not known yet"
        );
        born(&mut processes, 7, 1_000_000_000);
        born(&mut processes, 7, 1_900_000_000);
        pending.assign_all(&processes, &mut spaces);
        assert!(pending.by_pid.is_empty());
        assert_eq!(
            name(&spaces, processes.at(Pid(7), 1_500_000_000)),
            Some(Name::from("first"))
        );
        assert_eq!(
            name(&spaces, processes.at(Pid(7), 2_000_000_000)),
            Some(Name::from("second"))
        );
    }

    #[test]
    fn records_without_interest_are_dropped() {
        let (mut pending, mut spaces) = (PendingMappings::default(), Spaces::default());
        pending.push(made(7, 1_000_000_000, "old"));
        pending.push(made(8, 3_000_000_000, "new"));
        pending.assign_all(&Processes::default(), &mut spaces);
        assert_eq!(pending.by_pid.keys().collect::<Vec<_>>(), [&Pid(8)]);
    }

    #[test]
    fn a_mapping_made_after_the_end_of_a_process_is_not_its_own() {
        let (mut pending, mut spaces) = (PendingMappings::default(), Spaces::default());
        let mut processes = Processes::default();
        born(&mut processes, 7, 1_000_000_000);
        let exit = crate::decode::event::TaskExit {
            pid: Pid(7),
            tid: crate::ids::Tid(7),
            start_ns: 1_000_000_000,
            process_start_ns: 1_000_000_000,
            kthread: false,
            group_dead: true,
            signal: None,
            comm: Name::from("child"),
        };
        processes.exited(&exit, 1_500_000_000);
        pending.push(made(7, 1_400_000_000, "its own"));
        pending.push(made(7, 1_600_000_000, "the next one's"));
        pending.assign_all(&processes, &mut spaces);
        assert_eq!(
            name(&spaces, processes.at(Pid(7), 2_000_000_000)),
            Some(Name::from("its own"))
        );
    }

    #[test]
    fn a_process_without_interest_that_maps_endlessly_takes_bounded_memory() {
        let (mut pending, mut spaces) = (PendingMappings::default(), Spaces::default());
        for number in 0..5_000 {
            pending.push(made(7, 1_000_000_000 + number, "again"));
        }
        assert_eq!(pending.by_pid[&Pid(7)].made.len(), EACH);
        pending.assign_all(&Processes::default(), &mut spaces);
        assert_eq!(pending.no_room, 0, "they are no loss");
    }
}
