//! Placement of the memory of processes since `top` began, by mapping.
//!
//! Bounded: the processes that were active last, and their largest mappings.

use std::collections::HashMap;

use crate::{
    ids::Pid,
    model::{Addr, Frame, Mapping, MappingKind, Matrix, Name, Process, Snapshot, TidPages},
};

/// Processes that are kept.
const PROCESSES: usize = 256;

/// Mappings of each that are kept.
const MAPPINGS: usize = 64;

/// Threads of a mapping that are kept.
const THREADS: usize = 8;

/// A process; the start distinguishes it from a later one with the same PID.
pub type Identity = (Pid, u64);

/// Details of all processes.
#[derive(Clone, Debug, Default)]
pub struct Details {
    by_process: HashMap<Identity, Detail>,
    /// Number of intervals so far.
    intervals: u64,
}

/// Details of one process.
#[derive(Clone, Debug, Default)]
pub struct Detail {
    /// Its mappings, most pages touched first.
    pub mappings: Vec<KnownMapping>,
    /// The last interval in which it was active.
    last: u64,
}

/// One mapping, summed over intervals.
#[derive(Clone, Debug)]
pub struct KnownMapping {
    /// First address.
    pub start: Addr,
    /// First address behind it.
    pub end: Addr,
    /// Its kind of memory.
    pub kind: MappingKind,
    /// Its name.
    pub name: Name,
    /// Touched pages, `[task node][page node]`.
    pub touched: Matrix,
    /// Hinting faults, `[task node][page node]`.
    pub faults: Matrix,
    /// Threads that touched it first.
    pub by_tid: Vec<TidPages>,
    /// A stack of a first touch, innermost frame first.
    pub stack: Vec<Frame>,
}

/// Returns the identity of a process of a report.
#[must_use]
pub fn identity(process: &Process) -> Identity {
    (process.pid, process.start_ns)
}

impl Details {
    /// Adds an interval.
    pub fn add(&mut self, snapshot: &Snapshot) {
        self.intervals += 1;
        for process in &snapshot.processes {
            if process.mappings.is_empty() {
                continue;
            }
            let detail = self.by_process.entry(identity(process)).or_default();
            detail.last = self.intervals;
            for mapping in &process.mappings {
                detail.add(mapping, snapshot);
            }
            detail
                .mappings
                .sort_by_key(|kept| std::cmp::Reverse((kept.touched.total(), kept.faults.total())));
            detail.mappings.truncate(MAPPINGS);
        }
        if self.by_process.len() > PROCESSES {
            let mut last: Vec<u64> = self.by_process.values().map(|detail| detail.last).collect();
            last.sort_unstable_by_key(|last| std::cmp::Reverse(*last));
            let oldest = last[PROCESSES - 1];
            self.by_process.retain(|_, detail| detail.last > oldest);
        }
    }

    /// Returns the details of one process.
    #[must_use]
    pub fn of(&self, process: Identity) -> Option<&Detail> {
        self.by_process.get(&process)
    }

    /// Returns the number of processes that are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_process.len()
    }
}

impl Detail {
    fn add(&mut self, mapping: &Mapping, snapshot: &Snapshot) {
        let same = |kept: &KnownMapping| {
            kept.kind == mapping.kind
                && kept.name == mapping.name
                && kept.start.0 <= mapping.end.0
                && mapping.start.0 <= kept.end.0
        };
        let nodes = snapshot.host.nodes.len();
        let index = match self.mappings.iter().position(same) {
            Some(index) => index,
            None => {
                self.mappings.push(KnownMapping {
                    start: mapping.start,
                    end: mapping.end,
                    kind: mapping.kind,
                    name: mapping.name.clone(),
                    touched: Matrix::zeros(nodes),
                    faults: Matrix::zeros(nodes),
                    by_tid: Vec::new(),
                    stack: Vec::new(),
                });
                self.mappings.len() - 1
            }
        };
        let Some(kept) = self.mappings.get_mut(index) else {
            return;
        };
        kept.start = kept.start.min(mapping.start);
        kept.end = kept.end.max(mapping.end);
        if let Some(faults) = mapping.hint_faults.as_ref().and_then(|f| f.matrix.as_ref()) {
            kept.faults.add(faults);
        }
        let Some(touch) = &mapping.first_touch else {
            return;
        };
        if let Some(pages) = &touch.pages {
            kept.touched.add(pages);
        }
        for by in &touch.by_tid {
            match kept.by_tid.iter_mut().find(|known| known.tid == by.tid) {
                Some(known) => known.pages = known.pages.saturating_add(by.pages),
                None => kept.by_tid.push(*by),
            }
        }
        kept.by_tid
            .sort_by_key(|by| std::cmp::Reverse((by.pages, by.tid)));
        kept.by_tid.truncate(THREADS);
        if let Some(stack) = touch
            .stacks
            .first()
            .and_then(|id| snapshot.stacks.iter().find(|stack| stack.id == *id))
        {
            kept.stack.clone_from(&stack.frames);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        MappingFirstTouch, ProcessKind, Session,
        report::{Host, HostNode},
    };

    fn interval(pid: u32, start: u64, pages: u64) -> Snapshot {
        let host = Host {
            kernel: String::new(),
            arch: String::new(),
            page_size: 4096,
            view: Vec::new(),
            numa_balancing: None,
            nodes: vec![HostNode {
                node: crate::ids::NodeId(0),
                cpus: Vec::new(),
                mem_kb: None,
                memory: None,
                movable_only: None,
                distance: None,
            }],
            caches: None,
        };
        let session = Session::new("top", jiff::Timestamp::UNIX_EPOCH, 1.0);
        let mut snapshot = Snapshot::new(host, session);
        let mut touched = Matrix::zeros(1);
        touched.add_at(0, 0, pages);
        let mut process = Process::new(Pid(pid), 1, "app", ProcessKind::User);
        process.mappings.push(Mapping {
            page_migrations: None,
            start: Addr(start),
            end: Addr(start + 0x1000),
            kind: MappingKind::Heap,
            name: "[heap]".into(),
            first_touch: Some(MappingFirstTouch {
                pages: Some(touched),
                ..MappingFirstTouch::default()
            }),
            hint_faults: None,
            users: Vec::new(),
            surprise_pages: None,
            shared_elsewhere_pages: None,
            residency: None,
            file_system: None,
        });
        snapshot.processes.push(process);
        snapshot
    }

    #[test]
    fn a_mapping_that_grows_stays_one() {
        let mut details = Details::default();
        details.add(&interval(1, 0x1000, 5));
        details.add(&interval(1, 0x2000, 7));
        let mappings = &details.of((Pid(1), 1)).unwrap().mappings;
        assert_eq!(mappings.len(), 1);
        assert_eq!(mappings[0].touched.total(), 12);
        assert_eq!((mappings[0].start.0, mappings[0].end.0), (0x1000, 0x3000));
    }

    #[test]
    fn a_storm_of_processes_leaves_it_small() {
        let mut details = Details::default();
        for pid in 0..2_000 {
            details.add(&interval(pid, 0x1000, 1));
        }
        assert!(details.len() <= PROCESSES);
        assert!(details.of((Pid(1_999), 1)).is_some(), "the newest are kept");
    }
}
