//! Mappings the kernel told of, until it is known whose they are: the record of a mapping can come before the one of its process's birth.

use std::collections::HashMap;

use super::{maps::MapLine, process::Processes, spaces::Spaces};
use crate::{decode::mapping_record::MappingMade, ids::Pid};

/// Records of processes that nobody asked about yet are kept so long: an exec takes milliseconds, and its process is announced at its end.
const KEPT_NS: u64 = 1_000_000_000;

/// Records that wait, of all processes: about 20 MB.
const WAITING: usize = 100_000;

/// The records.
#[derive(Debug, Default)]
pub struct Told {
    by_pid: HashMap<Pid, Vec<MappingMade>>,
    waiting: usize,
    newest_ns: u64,
    /// Records there was no room for.
    pub no_room: u64,
}

impl Told {
    /// Takes in a record.
    pub fn made(&mut self, made: MappingMade) {
        if self.waiting >= WAITING {
            self.no_room += 1;
            return;
        }
        self.waiting += 1;
        self.newest_ns = self.newest_ns.max(made.time_ns);
        self.by_pid.entry(made.pid).or_default().push(made);
    }

    /// Gives a process the mappings told of under its number.
    pub fn settle(&mut self, pid: Pid, processes: &Processes, spaces: &mut Spaces) {
        if let Some(waiting) = self.by_pid.remove(&pid) {
            self.waiting -= waiting.len();
            for made in waiting {
                if let Some(process) = processes.at(pid, made.time_ns) {
                    let time_ns = made.time_ns;
                    spaces.told(process, made.into(), time_ns);
                }
            }
        }
    }

    /// The same for every process that is of interest; forgets what nobody asked for in time.
    pub fn settle_all(&mut self, processes: &Processes, spaces: &mut Spaces) {
        let since = self.newest_ns.saturating_sub(KEPT_NS);
        let Self {
            by_pid, waiting, ..
        } = self;
        by_pid.retain(|pid, told| {
            told.retain(|made| {
                let process = processes.at(*pid, made.time_ns);
                let wanted =
                    process.filter(|index| processes.get(*index).announced || spaces.has(*index));
                if let Some(process) = wanted {
                    spaces.told(process, made.clone().into(), made.time_ns);
                }
                let stays = wanted.is_none() && made.time_ns >= since;
                *waiting -= usize::from(!stays);
                stays
            });
            !told.is_empty()
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
        let (mut told, mut spaces) = (Told::default(), Spaces::default());
        let mut processes = Processes::default();
        told.made(made(7, 1_050_000_000, "first"));
        told.made(made(7, 1_950_000_000, "second"));
        told.settle_all(&processes, &mut spaces);
        assert_eq!(told.waiting, 2, "nobody knows the process yet");
        born(&mut processes, 7, 1_000_000_000);
        born(&mut processes, 7, 1_900_000_000);
        told.settle_all(&processes, &mut spaces);
        assert_eq!(told.waiting, 0);
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
    fn what_nobody_asks_for_is_forgotten() {
        let (mut told, mut spaces) = (Told::default(), Spaces::default());
        told.made(made(7, 1_000_000_000, "old"));
        told.made(made(8, 3_000_000_000, "new"));
        told.settle_all(&Processes::default(), &mut spaces);
        assert_eq!(told.waiting, 1);
        assert!(told.by_pid.contains_key(&Pid(8)));
    }
}
