//! All processes of a session, found by pid and time or by thread.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use foldhash::fast::FixedState;
use numatrace_common::scope::NS_PER_TICK;
use serde::{Deserialize, Serialize};

use super::{
    ended::Ended,
    incarnation::{FORGOTTEN, Process, ProcessIndex, ticks},
};
use crate::{
    decode::count::ThreadId,
    enrich::{
        facts::{Facts, Identity},
        table::{Hashed, Table},
    },
    ids::Pid,
    model::Name,
};

/// All processes a session has seen.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Processes {
    pub(super) all: BTreeMap<ProcessIndex, Process>,
    /// The number of processes so far, forgotten ones included.
    seen: u32,
    /// The incarnations of each pid, the first one first; their starts differ in ticks.
    by_pid: HashMap<Pid, Vec<ProcessIndex>, FixedState>,
    /// Results of [`Processes::of_thread`], which is called once for each count.
    #[serde(skip)]
    by_thread: Table<ThreadId, ProcessIndex>,
    /// Hashes of the current batch of threads.
    #[serde(skip)]
    batch: Vec<Hashed>,
    pub(super) ended: Ended,
}

/// Most threads whose process is cached: several times as many as the kernel's totals have room
/// for.
const THREADS: usize = 1 << 19;

/// Most incarnations of one pid that are found, the last ones: the kernel hands out all other pids
/// between two of them.
const INCARNATIONS: usize = 1_024;

impl Processes {
    /// Adds every living process by name only. Details are read later, for processes that are
    /// reported.
    pub fn scan(&mut self, facts: &mut impl Facts) {
        for pid in facts.pids() {
            if let Some(identity) = facts.identity(pid) {
                self.seen_alive(pid, &identity);
            }
        }
    }

    /// Marks living processes that the user asked for.
    pub fn ask_for(&mut self, pids: &[Pid]) {
        for pid in pids {
            let newest = self.by_pid.get(pid).and_then(|known| known.last().copied());
            if let Some(process) = newest.and_then(|index| self.all.get_mut(&index)) {
                process.asked = !process.ended;
            }
        }
    }

    /// Returns the processes that the user asked for.
    pub fn asked(&self) -> impl Iterator<Item = ProcessIndex> + '_ {
        let all = self.all.iter();
        all.filter(|(_, process)| process.asked)
            .map(|(index, _)| *index)
    }

    /// Returns the processes that the user asked for, and those forked or with an exec in this
    /// interval, which ended `until_ns` after boot.
    pub fn announced(&self, until_ns: u64) -> impl Iterator<Item = ProcessIndex> + '_ {
        self.all
            .iter()
            .filter(move |(_, process)| {
                (process.announced || process.asked) && process.start_ns < until_ns
            })
            .map(|(index, _)| *index)
    }

    /// Returns all processes, in the order in which they were first seen.
    pub fn iter(&self) -> impl Iterator<Item = (ProcessIndex, &Process)> {
        self.all.iter().map(|(index, process)| (*index, process))
    }

    /// Keeps only these processes reported without counts.
    pub fn announce_only(&mut self, which: &BTreeSet<ProcessIndex>) {
        for (index, process) in &mut self.all {
            process.announced &= which.contains(index);
            process.asked &= which.contains(index);
        }
    }

    /// Returns the number of processes that are known.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns whether no process is known.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Sorts the incarnations of each pid: recordings of earlier versions have them in the order in
    /// which they were seen.
    pub fn sort(&mut self) {
        let Self { all, by_pid, .. } = self;
        let start = |index: &ProcessIndex| all.get(index).map_or(0, |process| process.start_ns);
        for incarnations in by_pid.values_mut() {
            incarnations.sort_by_key(start);
        }
    }

    /// Returns whether the process of an index is still known.
    pub fn knows(&self, index: ProcessIndex) -> bool {
        self.all.contains_key(&index)
    }

    /// Returns the process of an index; an empty one when it was forgotten.
    pub fn get(&self, index: ProcessIndex) -> &Process {
        self.all.get(&index).unwrap_or(&FORGOTTEN)
    }

    pub(super) fn entry(&mut self, index: ProcessIndex) -> &mut Process {
        self.all.entry(index).or_insert_with(|| FORGOTTEN.clone())
    }

    /// Begins the next interval, `until_ns` after boot. Processes born before it are no longer
    /// announced, and those that ended before the previous interval are forgotten: counts of a
    /// process can come an interval after its end, not later. So an endless session takes bounded
    /// memory.
    pub fn next_interval(&mut self, until_ns: u64) {
        self.by_thread.clear();
        self.next_rows();
        let by_pid = &mut self.by_pid;
        self.all.retain(|index, process| {
            process.announced &= process.start_ns >= until_ns;
            process.ended_threads = 0;
            let forgotten = std::mem::replace(&mut process.stale, process.ended);
            if forgotten && let Some(incarnations) = by_pid.get_mut(&process.pid) {
                incarnations.retain(|known| known != index);
            }
            !forgotten
        });
        by_pid.retain(|_, incarnations| !incarnations.is_empty());
        self.forget_ended();
    }

    /// Forgets which process a thread belongs to.
    pub(super) fn forget_threads(&mut self) {
        self.by_thread.clear();
    }

    /// Takes a process out.
    pub(super) fn remove(&mut self, index: ProcessIndex) -> Process {
        let Some(process) = self.all.remove(&index) else {
            return FORGOTTEN.clone();
        };
        if let Some(incarnations) = self.by_pid.get_mut(&process.pid) {
            incarnations.retain(|known| *known != index);
            if incarnations.is_empty() {
                self.by_pid.remove(&process.pid);
            }
        }
        process
    }

    /// Adds a process that is not found by its pid.
    pub(super) fn add(&mut self, process: Process) -> ProcessIndex {
        let index = ProcessIndex(self.seen);
        self.seen += 1;
        self.all.insert(index, process);
        index
    }

    /// Returns the process of a thread. An unknown process is looked up in the facts, and kept
    /// without a name when it is gone.
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

    /// Returns whether [`Processes::of_thread`] would find the process without the facts.
    pub fn knows_thread(&self, thread: ThreadId) -> bool {
        let process = self.at(thread.pid, thread.start_ns);
        process.is_some_and(|index| {
            thread.tid.0 != thread.pid.0
                || ticks(self.get(index).start_ns) == ticks(thread.start_ns)
        })
    }

    /// Prefetches the cache for these threads, which will be looked up next.
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
            // A leader's start is the start of its process, in nanoseconds.
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
            None => {
                let index = self.insert(thread.pid, thread.start_ns, None, false);
                // The process is gone: no record of its end will come.
                self.note_ended(index);
                index
            }
        }
    }

    /// Returns the latest incarnation that had begun by a time (ns since boot).
    pub fn at(&self, pid: Pid, at_ns: u64) -> Option<ProcessIndex> {
        let incarnations = self.by_pid.get(&pid)?;
        let begun =
            incarnations.partition_point(|index| ticks(self.get(*index).start_ns) <= ticks(at_ns));
        incarnations.get(begun.checked_sub(1)?).copied()
    }

    /// Returns the incarnation that was alive at a time (ns since boot).
    pub fn alive_at(&self, pid: Pid, at_ns: u64) -> Option<ProcessIndex> {
        self.at(pid, at_ns)
            .filter(|index| self.get(*index).ended_ns.is_none_or(|end| at_ns <= end))
    }

    /// Returns the process of a pid that began at this clock tick after boot.
    pub fn started(&self, pid: Pid, start_ticks: u64) -> Option<ProcessIndex> {
        self.exactly(pid, start_ticks.saturating_mul(NS_PER_TICK))
    }

    /// Returns the incarnation that began at a time (ns since boot).
    pub(super) fn exactly(&self, pid: Pid, start_ns: u64) -> Option<ProcessIndex> {
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

    pub(super) fn insert(
        &mut self,
        pid: Pid,
        start_ns: u64,
        comm: Option<Name>,
        kthread: bool,
    ) -> ProcessIndex {
        let index = self.add(Process {
            pid,
            start_ns,
            comm,
            kthread,
            ..FORGOTTEN.clone()
        });
        let Self { all, by_pid, .. } = self;
        let incarnations = by_pid.entry(pid).or_default();
        if !incarnations.is_empty() {
            // Threads cached for an earlier incarnation may belong to this one.
            self.by_thread.clear();
        }
        if incarnations.len() >= INCARNATIONS {
            incarnations.remove(0);
        }
        let start = |index: &ProcessIndex| all.get(index).map_or(0, |process| process.start_ns);
        let place = incarnations.partition_point(|known| start(known) <= start_ns);
        incarnations.insert(place, index);
        index
    }
}
