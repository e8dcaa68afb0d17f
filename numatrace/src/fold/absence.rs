//! Threads away from the memory of their process, while it lasts: the live side of incidents.
//!
//! A report looks back on a whole session; a screen and a stream cannot wait for its end. Homes are what a process touched first since the
//! session began, as far as moves of pages left it there. Bounded: whoever is forgotten by `enrich` is forgotten here.

use std::collections::{BTreeMap, HashMap};

use crate::{
    decode::count::MoveReason,
    enrich::{
        happening::{Happened, Happening},
        process::ProcessIndex,
    },
    ids::{NodeId, Tid},
};

/// Most absences that are open at a time; a machine has fewer CPUs.
const MOST: usize = 65_536;

/// One absence of a thread from its process's home node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absence {
    /// The process.
    pub process: ProcessIndex,
    /// The thread, and its start, ns since boot.
    pub thread: (Tid, u64),
    /// Nodes: home, where it went.
    pub nodes: (NodeId, NodeId),
    /// Why it went.
    pub reason: MoveReason,
    /// When it went, ns since boot.
    pub left_ns: u64,
    /// When it was over; `None` while it lasts.
    pub ended_ns: Option<u64>,
    /// Why it came back; `None` while it is away, or when the thread ended there.
    pub back: Option<MoveReason>,
    /// Base pages of the process on its home node when it went.
    pub pages_left: u64,
    /// Base pages that were moved from there to where it was, meanwhile.
    pub pages_followed: u64,
}

/// What is known of one process's memory.
#[derive(Debug, Default)]
struct Memory {
    /// Base pages by node.
    pages: BTreeMap<NodeId, u64>,
    /// Base pages moved so far: from, to.
    moved: BTreeMap<(NodeId, NodeId), u64>,
}

impl Memory {
    /// The node with more than half of the pages.
    fn home(&self) -> Option<NodeId> {
        let total: u64 = self.pages.values().sum();
        self.pages
            .iter()
            .find(|(_, pages)| pages.saturating_mul(2) > total)
            .map(|(node, _)| *node)
    }

    fn on(&self, node: NodeId) -> u64 {
        self.pages.get(&node).copied().unwrap_or(0)
    }

    fn moved(&self, nodes: (NodeId, NodeId)) -> u64 {
        self.moved.get(&nodes).copied().unwrap_or(0)
    }
}

/// Who is away now.
#[derive(Debug, Default)]
pub struct Absences {
    memory: HashMap<ProcessIndex, Memory>,
    /// By thread; the second is what had been moved after it before.
    open: HashMap<(Tid, u64), (Absence, u64)>,
}

impl Absences {
    /// A process touched pages first.
    pub fn touched(&mut self, process: ProcessIndex, node: NodeId, pages: u64) {
        let memory = self.memory.entry(process).or_default();
        super::bump(&mut memory.pages, node, pages);
    }

    /// Something happened; an absence that it ended comes back.
    pub fn apply(&mut self, happening: &Happening) -> Option<Absence> {
        let nodes = happening.nodes;
        match happening.what {
            Happened::Pages { pages, .. } => {
                let memory = self.memory.entry(happening.process).or_default();
                let left = memory.pages.entry(nodes.0).or_default();
                *left = left.saturating_sub(pages);
                super::bump(&mut memory.pages, nodes.1, pages);
                super::bump(&mut memory.moved, nodes, pages);
                None
            }
            Happened::Move {
                tid,
                start_ns,
                reason,
                ..
            } => {
                let thread = (tid, start_ns);
                if self
                    .open
                    .get(&thread)
                    .is_some_and(|(absence, _)| absence.nodes.0 == nodes.1)
                {
                    return self.close(thread, happening.time_ns, Some(reason));
                }
                self.leave(happening, thread, reason);
                None
            }
        }
    }

    /// A thread ended; so does its absence.
    pub fn exited(&mut self, thread: (Tid, u64), time_ns: u64) -> Option<Absence> {
        self.close(thread, time_ns, None)
    }

    fn leave(&mut self, happening: &Happening, thread: (Tid, u64), reason: MoveReason) {
        let Some(memory) = self.memory.get(&happening.process) else {
            return;
        };
        let away_already = self.open.contains_key(&thread);
        if memory.home() != Some(happening.nodes.0) || away_already || self.open.len() >= MOST {
            return;
        }
        let absence = Absence {
            process: happening.process,
            thread,
            nodes: happening.nodes,
            reason,
            left_ns: happening.time_ns,
            ended_ns: None,
            back: None,
            pages_left: memory.on(happening.nodes.0),
            pages_followed: 0,
        };
        self.open
            .insert(thread, (absence, memory.moved(happening.nodes)));
    }

    fn close(
        &mut self,
        thread: (Tid, u64),
        time_ns: u64,
        back: Option<MoveReason>,
    ) -> Option<Absence> {
        let (absence, before) = self.open.remove(&thread)?;
        Some(Absence {
            ended_ns: Some(time_ns),
            back,
            ..self.followed(absence, before)
        })
    }

    fn followed(&self, absence: Absence, before: u64) -> Absence {
        let memory = self.memory.get(&absence.process);
        let moved = memory.map_or(0, |memory| memory.moved(absence.nodes));
        Absence {
            pages_followed: moved.saturating_sub(before),
            ..absence
        }
    }

    /// Those that last, longest first.
    pub fn open(&self) -> Vec<Absence> {
        let mut open: Vec<Absence> = self
            .open
            .values()
            .map(|(absence, before)| self.followed(*absence, *before))
            .collect();
        open.sort_by_key(|absence| (absence.left_ns, absence.thread));
        open
    }

    /// The node with more than half of a process's memory, as far as the session knows it.
    pub fn home(&self, process: ProcessIndex) -> Option<NodeId> {
        self.memory.get(&process)?.home()
    }

    /// Every process that has a home.
    pub fn homes(&self) -> impl Iterator<Item = (ProcessIndex, NodeId)> + '_ {
        self.memory
            .iter()
            .filter_map(|(process, memory)| Some((*process, memory.home()?)))
    }

    /// Keeps what is known of these processes.
    pub fn retain(&mut self, keep: impl Fn(ProcessIndex) -> bool) {
        self.memory.retain(|process, _| keep(*process));
        self.open.retain(|_, (absence, _)| keep(absence.process));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decode::event::TaskFork,
        enrich::process::Processes,
        ids::{CpuId, Pid},
        model::Name,
    };

    fn process() -> ProcessIndex {
        let mut known = Processes::default();
        known.forked(&TaskFork {
            pid: Pid(7),
            start_ns: 5,
            parent: Pid(1),
            kthread: false,
            comm: Name::from("app"),
        });
        known.announced(u64::MAX).next().expect("it was just born")
    }

    fn moved(from: u16, to: u16, time_ns: u64) -> Happening {
        Happening {
            time_ns,
            process: process(),
            nodes: (NodeId(from), NodeId(to)),
            what: Happened::Move {
                tid: Tid(8),
                start_ns: 6,
                cpus: (CpuId(0), CpuId(2)),
                reason: MoveReason::LoadBalance,
            },
        }
    }

    fn pages(from: u16, to: u16, pages: u64) -> Happening {
        Happening {
            what: Happened::Pages {
                asker: Pid(7),
                reason: 0,
                pages,
            },
            ..moved(from, to, 0)
        }
    }

    fn at_home(pages: u64) -> Absences {
        let mut absences = Absences::default();
        absences.touched(process(), NodeId(0), pages);
        absences
    }

    #[test]
    fn an_absence_lasts_until_the_thread_is_back_and_knows_what_followed() {
        let mut absences = at_home(1_000);
        absences.apply(&pages(0, 1, 100));
        assert_eq!(absences.apply(&moved(0, 1, 10)), None);
        absences.apply(&pages(0, 1, 40));
        let open = absences.open();
        assert_eq!((open.len(), open[0].pages_followed), (1, 40));
        let back = absences.apply(&moved(1, 0, 25)).unwrap();
        assert_eq!((back.pages_left, back.pages_followed), (900, 40));
        assert_eq!((back.left_ns, back.ended_ns), (10, Some(25)));
        assert_eq!(back.back, Some(MoveReason::LoadBalance));
        assert!(absences.open().is_empty());
    }

    #[test]
    fn a_way_by_a_third_node_is_one_absence_and_an_end_ends_it() {
        let mut absences = at_home(10);
        absences.apply(&moved(0, 1, 10));
        absences.apply(&moved(1, 2, 11));
        assert_eq!(absences.open().len(), 1);
        let ended = absences.exited((Tid(8), 6), 30).unwrap();
        assert_eq!((ended.ended_ns, ended.back), (Some(30), None));
        assert_eq!(ended.nodes, (NodeId(0), NodeId(1)));
    }

    #[test]
    fn without_a_home_nobody_is_away() {
        let mut absences = at_home(10);
        absences.touched(process(), NodeId(1), 10);
        absences.apply(&moved(0, 1, 10));
        assert!(absences.open().is_empty());
        assert_eq!(absences.home(process()), None);
    }

    #[test]
    fn who_is_forgotten_is_not_away_any_more() {
        let mut absences = at_home(10);
        absences.apply(&moved(0, 1, 10));
        absences.retain(|_| false);
        assert!(absences.open().is_empty() && absences.homes().next().is_none());
    }
}
