//! Process incarnations: which process a pid meant at a given time.
//!
//! Pids are reused within seconds in a fork storm, so a process is a pid and a start time. Starts come from three sources of
//! different precision: records and totals carry nanoseconds, `/proc` clock ticks of 10 ms. Two starts are the same when their
//! ticks are.

use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::LazyLock,
};

use foldhash::fast::FixedState;
use numatrace_common::scope::NS_PER_TICK;

use super::{
    facts::{Details, Facts, Identity},
    table::{Hashed, Table},
};
use crate::{
    decode::{
        count::ThreadId,
        event::{TaskExec, TaskExit, TaskFork},
    },
    ids::{Pid, Tid},
    model::Name,
};

/// Index of a process in [`Processes`]; stays valid until the second interval after its end.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct ProcessIndex(u32);

impl ProcessIndex {
    /// The index as a number, for hashing.
    pub(crate) fn number(self) -> u64 {
        u64::from(self.0)
    }
}

/// One process as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: Pid,
    /// Its start, ns since boot; a multiple of 10 ms as long as only `/proc` knew it.
    pub start_ns: u64,
    /// Its last name; `None` when it was gone before anybody could look.
    pub comm: Option<Name>,
    /// Its earlier names, first one first.
    pub comms: Vec<Name>,
    /// A kernel thread.
    pub kthread: bool,
    /// Who gave birth to it, when that was seen.
    #[serde(default)]
    pub parent: Option<Pid>,
    /// Its last thread has ended.
    pub ended: bool,
    /// When it did, ns since boot, as far as a record told.
    ended_ns: Option<u64>,
    /// It had ended before this interval began.
    stale: bool,
    /// It was born or began another program during the session, in scope: it is reported even when nothing was counted for it.
    pub announced: bool,
    /// The session was asked to look at it: it is reported likewise.
    #[serde(default)]
    asked: bool,
    /// What else is known; looked up when the session sees it first and again at the end.
    pub details: Details,
    /// Last names of threads that ended.
    threads: HashMap<(Tid, u64), Name>,
}

/// What an index stands for whose process has been forgotten, and what every process begins as.
static FORGOTTEN: LazyLock<Process> = LazyLock::new(|| Process {
    pid: Pid(0),
    start_ns: 0,
    comm: None,
    comms: Vec::new(),
    kthread: false,
    parent: None,
    ended: false,
    ended_ns: None,
    stale: false,
    announced: false,
    asked: false,
    details: Details::default(),
    threads: HashMap::new(),
});

/// All processes a session has seen.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Processes {
    all: BTreeMap<ProcessIndex, Process>,
    /// How many there have been.
    seen: u32,
    by_pid: HashMap<Pid, Vec<ProcessIndex>, FixedState>,
    /// What [`Processes::of_thread`] found: it is asked once per count.
    #[serde(skip)]
    by_thread: Table<ThreadId, ProcessIndex>,
    /// Where a batch of threads lies in it.
    #[serde(skip)]
    batch: Vec<Hashed>,
}

/// Threads whose process is remembered: as many as the kernel's totals have room for, several times over.
const THREADS: usize = 1 << 19;

impl Processes {
    /// Takes in every process that is alive now, by name only: the rest is looked up for those that matter.
    pub fn scan(&mut self, facts: &mut impl Facts) {
        for pid in facts.pids() {
            if let Some(identity) = facts.identity(pid) {
                self.seen_alive(pid, &identity);
            }
        }
    }

    /// Marks processes that the session was asked to look at, where they are alive.
    pub fn ask_for(&mut self, pids: &[Pid]) {
        for pid in pids {
            let newest = self.by_pid.get(pid).and_then(|known| known.last().copied());
            if let Some(process) = newest.and_then(|index| self.all.get_mut(&index)) {
                process.asked = !process.ended;
            }
        }
    }

    /// Those of them that are known yet.
    pub fn asked(&self) -> impl Iterator<Item = ProcessIndex> + '_ {
        let all = self.all.iter();
        all.filter(|(_, process)| process.asked)
            .map(|(index, _)| *index)
    }

    /// Processes that were asked for, and that were born or began another program in this interval, which ended `until_ns` after boot.
    pub fn announced(&self, until_ns: u64) -> impl Iterator<Item = ProcessIndex> + '_ {
        self.all
            .iter()
            .filter(move |(_, process)| {
                (process.announced || process.asked) && process.start_ns < until_ns
            })
            .map(|(index, _)| *index)
    }

    /// All of them, in the order in which they were first seen.
    pub fn iter(&self) -> impl Iterator<Item = (ProcessIndex, &Process)> {
        self.all.iter().map(|(index, process)| (*index, process))
    }

    /// Only these are reported where nothing was counted for them.
    pub fn announce_only(&mut self, which: &BTreeSet<ProcessIndex>) {
        for (index, process) in &mut self.all {
            process.announced &= which.contains(index);
            process.asked &= which.contains(index);
        }
    }

    /// Has the process of an index not been forgotten?
    pub fn knows(&self, index: ProcessIndex) -> bool {
        self.all.contains_key(&index)
    }

    /// The process an index stands for.
    pub fn get(&self, index: ProcessIndex) -> &Process {
        self.all.get(&index).unwrap_or(&FORGOTTEN)
    }

    fn entry(&mut self, index: ProcessIndex) -> &mut Process {
        self.all.entry(index).or_insert_with(|| FORGOTTEN.clone())
    }

    /// Begins another interval, `until_ns` after boot: nobody born before it is announced, and who had ended before the last one is forgotten.
    /// Counts of a process can come an interval after its end, not later, so a session without end stays bounded.
    pub fn next_interval(&mut self, until_ns: u64) {
        self.by_thread.clear();
        let by_pid = &mut self.by_pid;
        self.all.retain(|index, process| {
            process.announced &= process.start_ns >= until_ns;
            let forgotten = std::mem::replace(&mut process.stale, process.ended);
            if forgotten && let Some(incarnations) = by_pid.get_mut(&process.pid) {
                incarnations.retain(|known| known != index);
            }
            !forgotten
        });
        by_pid.retain(|_, incarnations| !incarnations.is_empty());
    }

    /// The process a thread belongs to. One that nothing announced is looked up, and kept nameless when it is gone.
    pub fn of_thread(&mut self, thread: ThreadId, facts: &mut impl Facts) -> ProcessIndex {
        let hash = Table::<ThreadId, ProcessIndex>::hash(&thread);
        if let Some(index) = self.by_thread.get(hash, &thread) {
            return index;
        }
        let index = self.look_up(thread, facts);
        if self.by_thread.len() >= THREADS {
            self.by_thread.clear();
        }
        *self.by_thread.entry(hash, thread) = index;
        index
    }

    /// These threads will be asked for next.
    pub fn expect(&mut self, threads: impl Iterator<Item = ThreadId>) {
        self.batch.clear();
        self.batch
            .extend(threads.map(|thread| Table::<ThreadId, ProcessIndex>::hash(&thread)));
        self.by_thread.warm(&self.batch);
    }

    fn look_up(&mut self, thread: ThreadId, facts: &mut impl Facts) -> ProcessIndex {
        let leader = thread.tid.0 == thread.pid.0;
        if let Some(index) = self.at(thread.pid, thread.start_ns) {
            let process = self.entry(index);
            // A leader's start is its process's: from ticks to nanoseconds.
            if leader && ticks(process.start_ns) == ticks(thread.start_ns) {
                process.start_ns = thread.start_ns;
            }
            if !leader || ticks(process.start_ns) == ticks(thread.start_ns) {
                return index;
            }
        }
        let identity = facts
            .identity(thread.pid)
            .filter(|identity| identity.start_ticks <= ticks(thread.start_ns))
            .filter(|identity| !leader || identity.start_ticks == ticks(thread.start_ns));
        match identity {
            Some(identity) => {
                let index = self.seen_alive(thread.pid, &identity);
                if leader {
                    self.entry(index).start_ns = thread.start_ns;
                }
                index
            }
            None => self.insert(thread.pid, thread.start_ns, None, false),
        }
    }

    /// A process was born.
    pub fn forked(&mut self, fork: &TaskFork) -> ProcessIndex {
        // It is there already when a scan overtook the record.
        let index = match self.exactly(fork.pid, fork.start_ns) {
            Some(index) => index,
            None => self.insert(
                fork.pid,
                fork.start_ns,
                Some(fork.comm.clone()),
                fork.kthread,
            ),
        };
        let process = self.entry(index);
        process.start_ns = fork.start_ns;
        process.parent = Some(fork.parent);
        process.announced = true;
        index
    }

    /// A process runs another program: it keeps its identity and gets another name. Its executable is looked up at once, because
    /// short-lived ones are soon gone; the path given to exec stands in.
    pub fn execed(&mut self, exec: &TaskExec, facts: &mut impl Facts) -> ProcessIndex {
        let index = self
            .exactly(exec.pid, exec.start_ns)
            .unwrap_or_else(|| self.insert(exec.pid, exec.start_ns, None, false));
        let alive = facts
            .identity(exec.pid)
            .is_some_and(|identity| identity.start_ticks == ticks(exec.start_ns));
        let mut details = if alive {
            facts.details(exec.pid)
        } else {
            Details::default()
        };
        let process = self.entry(index);
        process.announced = true;
        process.rename(&exec.comm);
        details.exe = details.exe.or_else(|| exec.filename.clone());
        details.cgroup = details.cgroup.or_else(|| process.details.cgroup.take());
        details.ns_pid = details.ns_pid.or(process.details.ns_pid);
        details.uid = details.uid.or(process.details.uid);
        process.details = details;
        index
    }

    /// A thread ended at `time_ns` after boot, and with the last one its process.
    pub fn exited(&mut self, exit: &TaskExit, time_ns: u64) {
        let index = match self.exactly(exit.pid, exit.process_start_ns) {
            Some(index) => index,
            None => {
                // Neither there at the start nor announced: its fork was skipped.
                let index = self.insert(exit.pid, exit.process_start_ns, None, exit.kthread);
                self.entry(index).announced = true;
                index
            }
        };
        let process = self.entry(index);
        process.start_ns = exit.process_start_ns;
        if exit.tid.0 == exit.pid.0 {
            process.rename(&exit.comm);
        }
        process
            .threads
            .insert((exit.tid, exit.start_ns), exit.comm.clone());
        process.ended |= exit.group_dead;
        if exit.group_dead {
            process.ended_ns = Some(time_ns);
        }
    }

    /// Last look at a process that is to be reported: its name now, and whatever else can still be read.
    pub fn look_again(&mut self, index: ProcessIndex, facts: &mut impl Facts) {
        let process = self.entry(index);
        if process.ended {
            return;
        }
        let Some(identity) = facts.identity(process.pid) else {
            process.ended = true;
            return;
        };
        if identity.start_ticks != ticks(process.start_ns) {
            process.ended = true;
            return;
        }
        process.rename(&identity.comm);
        process.kthread = identity.kthread;
        let now = facts.details(process.pid);
        let before = std::mem::take(&mut process.details);
        process.details = Details {
            exe: now.exe.or(before.exe),
            cgroup: now.cgroup.or(before.cgroup),
            ns_pid: now.ns_pid.or(before.ns_pid),
            uid: now.uid.or(before.uid),
        };
    }

    /// The last name of a thread, from its exit or from `/proc` now.
    pub fn thread_name(
        &self,
        index: ProcessIndex,
        tid: Tid,
        start_ns: u64,
        facts: &mut impl Facts,
    ) -> Option<Name> {
        let process = self.get(index);
        if let Some(name) = process.threads.get(&(tid, start_ns)) {
            return Some(name.clone());
        }
        let alive = facts
            .thread(process.pid, tid)
            .filter(|identity| identity.start_ticks == ticks(start_ns))
            .map(|identity| identity.comm);
        // The first thread's name is its process's.
        alive.or_else(|| process.comm.clone().filter(|_| tid.0 == process.pid.0))
    }

    /// Notes the name a thread has now: whoever ends it later leaves it with that one.
    pub fn note_thread(
        &mut self,
        index: ProcessIndex,
        (tid, start_ns): (Tid, u64),
        facts: &mut impl Facts,
    ) {
        let Some(name) = self.thread_name(index, tid, start_ns, facts) else {
            return;
        };
        if let Some(process) = self.all.get_mut(&index) {
            process.threads.insert((tid, start_ns), name);
        }
    }

    /// The name of the latest incarnation of a pid, from `/proc` when nothing else knows it.
    pub fn name_of(&self, pid: Pid, facts: &mut impl Facts) -> Option<Name> {
        self.at(pid, u64::MAX)
            .and_then(|index| self.get(index).comm.clone())
            .or_else(|| facts.identity(pid).map(|identity| identity.comm))
    }

    /// The latest incarnation that had begun by a time (ns since boot).
    pub fn at(&self, pid: Pid, at_ns: u64) -> Option<ProcessIndex> {
        let incarnations = self.by_pid.get(&pid)?;
        incarnations
            .iter()
            .copied()
            .filter(|index| ticks(self.get(*index).start_ns) <= ticks(at_ns))
            .max_by_key(|index| self.get(*index).start_ns)
    }

    /// The same, unless it had ended before that time.
    pub fn alive_at(&self, pid: Pid, at_ns: u64) -> Option<ProcessIndex> {
        self.at(pid, at_ns)
            .filter(|index| self.get(*index).ended_ns.is_none_or(|end| at_ns <= end))
    }

    /// The incarnation that began at a time.
    fn exactly(&self, pid: Pid, start_ns: u64) -> Option<ProcessIndex> {
        self.at(pid, start_ns)
            .filter(|index| ticks(self.get(*index).start_ns) == ticks(start_ns))
    }

    fn seen_alive(&mut self, pid: Pid, identity: &Identity) -> ProcessIndex {
        let start_ns = identity.start_ticks.saturating_mul(NS_PER_TICK);
        match self.exactly(pid, start_ns) {
            Some(index) => {
                let process = self.entry(index);
                process.rename(&identity.comm);
                process.kthread = identity.kthread;
                index
            }
            None => self.insert(pid, start_ns, Some(identity.comm.clone()), identity.kthread),
        }
    }

    fn insert(
        &mut self,
        pid: Pid,
        start_ns: u64,
        comm: Option<Name>,
        kthread: bool,
    ) -> ProcessIndex {
        let index = ProcessIndex(self.seen);
        self.seen += 1;
        let process = Process {
            pid,
            start_ns,
            comm,
            kthread,
            ..FORGOTTEN.clone()
        };
        self.all.insert(index, process);
        let incarnations = self.by_pid.entry(pid).or_default();
        if !incarnations.is_empty() {
            // What was taken for a thread of an earlier one may be one of this.
            self.by_thread.clear();
        }
        incarnations.push(index);
        index
    }
}

impl Process {
    fn rename(&mut self, comm: &Name) {
        if self.comm.as_ref() == Some(comm) {
            return;
        }
        if let Some(before) = self.comm.replace(comm.clone())
            && self.comms.last() != Some(&before)
        {
            self.comms.push(before);
        }
    }
}

fn ticks(ns: u64) -> u64 {
    ns / NS_PER_TICK
}

#[cfg(test)]
impl Processes {
    /// Process 7, `app`, born 5 ns after boot.
    pub fn example() -> (Self, ProcessIndex) {
        let mut known = Self::default();
        let index = known.forked(&TaskFork {
            pid: Pid(7),
            start_ns: 5,
            parent: Pid(1),
            kthread: false,
            comm: Name::from("app"),
        });
        (known, index)
    }
}

#[cfg(test)]
mod tests;
