//! enrich: joins events with facts that expire: process incarnations, mappings, residency,
//! topology.

pub mod facts;
pub mod lines;
pub mod maps;
pub mod pending_mappings;
pub mod perf_map;
pub mod process;
pub mod residency;
pub mod spaces;
pub mod table;
pub mod target_file;
pub mod timeline_event;
pub mod topology;

use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use facts::Facts;
use pending_mappings::PendingMappings;
use process::{ProcessIndex, Processes};
use residency::Residency;
use spaces::Spaces;
use timeline_event::{TimelineEvent, TimelineKind};

use crate::decode::{
    count::{Count, CountKind, Owner, ThreadId},
    event::{Body, Event},
    fill_run::FillRun,
    mapping_run::Area,
};

/// Counts that pass through the stages together: few enough to fit in a cache, and enough that
/// their memory accesses overlap.
pub const BATCH: usize = 512;

/// The owner that an observation is charged to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Charged {
    /// A thread of a known process incarnation.
    Thread {
        /// The process.
        process: ProcessIndex,
        /// The thread.
        tid: crate::ids::Tid,
        /// Its start, ns since boot.
        start_ns: u64,
    },
    /// Interrupts.
    Irq,
    /// All tasks outside the scope.
    OutOfScope,
    /// Owners for which the table of totals had no room.
    Overflow,
    /// Memory that no process has mapped, or whose process is unknown to the kernel.
    Nobody,
}

// Hashed once for each count: one word.
impl Hash for Charged {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(match *self {
            Charged::Thread {
                process,
                tid,
                start_ns,
            } => start_ns ^ (process.number() << 32 | u64::from(tid.0)).rotate_left(17),
            Charged::Irq => 0,
            Charged::OutOfScope => 1,
            Charged::Overflow => 2,
            Charged::Nobody => 3,
        });
    }
}

/// A count with its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The epoch it was counted in.
    pub epoch: u64,
    /// The owner of the events.
    pub charged: Charged,
    /// The events counted.
    pub what: CountKind,
    /// The number of events.
    pub count: u64,
    /// The sum of their amounts, in the unit of the kind (see [`CountKind`]).
    pub amount: u64,
}

/// The stage: the processes seen so far, their address spaces, and the source of facts.
#[derive(Debug)]
pub struct Enrich<F> {
    /// Processes seen so far.
    pub processes: Processes,
    /// Their address spaces.
    pub spaces: Spaces,
    /// New mappings whose process is not known yet.
    pub pending_mappings: PendingMappings,
    /// The nodes of their memory, in sessions that read it.
    pub residency: Residency,
    /// The source of facts.
    pub facts: F,
}

impl<F: Facts> Enrich<F> {
    /// Begins with all living processes.
    pub fn new(mut facts: F) -> Self {
        let mut processes = Processes::default();
        processes.scan(&mut facts);
        Self {
            processes,
            spaces: Spaces::default(),
            pending_mappings: PendingMappings::default(),
            residency: Residency::default(),
            facts,
        }
    }

    /// Begins the next interval, `until_ns` after boot. Processes that ended before the previous
    /// interval are forgotten.
    pub fn next_interval(&mut self, until_ns: u64) {
        self.processes.next_interval(until_ns);
        let processes = &self.processes;
        self.spaces.retain(|process| processes.knows(process));
        self.residency.next_interval(processes);
    }

    /// Forgets everything about processes that are not known any more.
    pub fn forget_folded(&mut self) {
        let processes = &self.processes;
        self.spaces.retain(|process| processes.knows(process));
        self.residency.retain(|process| processes.knows(process));
    }

    /// Applies an event to the processes; returns an event of the timeline with its process.
    pub fn event(&mut self, event: &Event) -> Option<TimelineEvent> {
        match &event.body {
            Body::TaskFork(fork) => {
                let child = self.processes.forked(fork);
                if let Some(parent) = self.processes.at(fork.parent, fork.start_ns) {
                    self.spaces.forked(child, parent);
                }
            }
            Body::TaskExec(exec) => {
                let process = self.processes.execed(exec, event.time_ns, &mut self.facts);
                self.spaces.execed(process);
            }
            Body::TaskExit(exit) => self.processes.exited(exit, event.time_ns),
            Body::TouchRun(_)
            | Body::UseRun(_)
            | Body::FillRun(_)
            | Body::KernelAlloc(_)
            | Body::TaskBind(_)
            | Body::MoveStack(_)
            | Body::OomKill(_)
            | Body::HugetlbFailed(_)
            | Body::PolicyRefused(_)
            | Body::AllocFailed(_)
            | Body::NodeShortage(_) => {}
            Body::TaskMoved(moved) => {
                return Some(TimelineEvent {
                    time_ns: event.time_ns,
                    process: self.processes.of_thread(moved.thread, &mut self.facts),
                    nodes: moved.nodes,
                    what: TimelineKind::Move {
                        tid: moved.thread.tid,
                        start_ns: moved.thread.start_ns,
                        cpus: moved.cpus,
                        reason: moved.reason,
                        ran_ns: moved.ran_ns,
                        far_faults: moved.far_faults,
                    },
                });
            }
            Body::PagesMoved(moved) => {
                if let Owner::Thread(leader) = moved.owner {
                    return Some(TimelineEvent {
                        time_ns: event.time_ns,
                        process: self.processes.of_thread(leader, &mut self.facts),
                        nodes: moved.nodes,
                        what: TimelineKind::Pages {
                            asker: moved.asker,
                            reason: moved.reason,
                            pages: moved.pages,
                            until_ns: event.time_ns,
                        },
                    });
                }
            }
        }
        None
    }

    /// Assigns new mappings to the processes that are known by now.
    pub fn assign_mappings(&mut self) {
        self.pending_mappings
            .assign_all(&self.processes, &mut self.spaces);
    }

    /// Returns the process of a run, and reads its address space if the run's mapping is unknown.
    pub fn run(&mut self, thread: ThreadId, area: &Area, at: u64, now_ns: u64) -> ProcessIndex {
        let process = self.processes.of_thread(thread, &mut self.facts);
        self.pending_mappings
            .assign(thread.pid, &self.processes, &mut self.spaces);
        self.spaces
            .refresh_for(process, thread.pid, area, at, now_ns, &mut self.facts);
        process
    }

    /// Returns the process of a thread whose code will be named, and reads its address space unless
    /// some of it is known: after a failure it may not be there for long.
    pub fn code_of(&mut self, thread: ThreadId) -> ProcessIndex {
        let process = self.processes.of_thread(thread, &mut self.facts);
        self.pending_mappings
            .assign(thread.pid, &self.processes, &mut self.spaces);
        if !self.spaces.has_lines(process) {
            self.spaces.refresh(process, thread.pid, &mut self.facts);
        }
        process
    }

    /// Appends the observations of a batch of counts to `seen`.
    pub fn counts(&mut self, counts: &[Count], seen: &mut Vec<Observation>) {
        self.processes
            .expect(counts.iter().filter_map(|count| match count.owner {
                Owner::Thread(thread) => Some(thread),
                _ => None,
            }));
        seen.extend(counts.iter().map(|count| self.count(*count)));
    }

    /// Returns the process that added pages of a file to the page cache, and looks up the file's
    /// name.
    pub fn fill(&mut self, run: &FillRun) -> ProcessIndex {
        let process = self.processes.of_thread(run.thread, &mut self.facts);
        self.spaces
            .find_open_file(run.thread.pid, run.file, &mut self.facts);
        process
    }

    /// Returns the observation of a count.
    pub fn count(&mut self, count: Count) -> Observation {
        let Count {
            epoch,
            owner,
            what,
            count,
            amount,
        } = count;
        let charged = match owner {
            Owner::Thread(thread) => Charged::Thread {
                process: self.processes.of_thread(thread, &mut self.facts),
                tid: thread.tid,
                start_ns: thread.start_ns,
            },
            Owner::Irq => Charged::Irq,
            Owner::OutOfScope => Charged::OutOfScope,
            Owner::Overflow => Charged::Overflow,
            Owner::Nobody => Charged::Nobody,
        };
        Observation {
            epoch,
            charged,
            what,
            count,
            amount,
        }
    }
}
