//! Folds ended processes and threads: which of them, when, and into which rows.

use std::collections::BTreeSet;

use super::{
    ended::{Folded, Folds},
    incarnation::{FORGOTTEN, Process, ProcessIndex},
    processes::Processes,
};
use crate::{
    enrich::facts::{Details, Facts},
    ids::{Pid, Tid},
    model::{Name, process::ORDERLY},
};

/// Sweeps after its end in which counts of a process or thread may still come: the one that was due
/// when it ended, and one more for what did not stand still meanwhile.
const LATE_SWEEPS: u64 = 2;

/// Most rows of commands; processes of further commands share one row without a name. Processes
/// choose their names, so their number is anybody's.
const ROWS: usize = 256;

/// Growth of the processes that seem to live, after which it is checked which of them do: the
/// records of their ends may have been lost.
const SEEM_TO_LIVE: usize = 1_024;

impl Processes {
    /// Notes that a process has ended.
    pub(super) fn note_ended(&mut self, index: ProcessIndex) {
        let sweeps = self.ended.sweeps;
        if let Some(process) = self.all.get_mut(&index)
            && !std::mem::replace(&mut process.ended, true)
        {
            self.ended.processes.push_back((index, sweeps));
        }
    }

    /// Notes that a thread has ended that is not the first of its process.
    pub(super) fn note_thread_ended(&mut self, process: ProcessIndex, tid: Tid, start_ns: u64) {
        let sweeps = self.ended.sweeps;
        let ended = ((process, tid, start_ns), sweeps);
        self.ended.threads.push_back(ended);
    }

    /// A sweep has been counted.
    pub fn swept(&mut self) {
        self.ended.sweeps += 1;
    }

    /// Returns what was folded since the session or interval began.
    pub fn folded(&self) -> Folded {
        self.ended.folded
    }

    /// Notes the end of processes whose records of it were lost, when many more seem to live than
    /// the last time.
    pub fn check_living(&mut self, facts: &mut impl Facts) {
        let seem_to_live =
            |known: &Self| known.all.len().saturating_sub(known.ended.processes.len());
        if self.ended.checked == 0 {
            self.ended.checked = seem_to_live(self);
        }
        if seem_to_live(self) < self.ended.checked.saturating_add(SEEM_TO_LIVE) {
            return;
        }
        let living: BTreeSet<Pid> = facts.pids().into_iter().collect();
        let gone = self.all.iter().filter(|(_, process)| {
            !process.ended && process.stands_for.is_none() && !living.contains(&process.pid)
        });
        let gone: Vec<ProcessIndex> = gone.map(|(index, _)| *index).collect();
        for index in gone {
            self.note_ended(index);
        }
        self.ended.checked = seem_to_live(self);
    }

    /// Folds the processes and the threads that ended first, where more than `keep` of them have.
    /// Those whose counts may still come, and those that are spared, keep their rows.
    ///
    /// Many are folded at a time, because it takes a pass through all counts. With `at_end` no
    /// count will come any more: no more than `keep` are left.
    pub fn fold(
        &mut self,
        keep: usize,
        at_end: bool,
        spared: impl FnOnce() -> BTreeSet<ProcessIndex>,
    ) -> Folds {
        let mut folds = Folds::default();
        let slack = if at_end { 0 } else { keep / 4 };
        let begun = self.ended.sweeps;
        let settled = |sweeps: u64| at_end || begun.saturating_sub(sweeps) >= LATE_SWEEPS;
        if self.ended.processes.len() > keep.saturating_add(slack) {
            let spared = spared();
            while self.ended.processes.len() > keep
                && let Some((index, sweeps)) = self.ended.processes.front().copied()
                && settled(sweeps)
            {
                self.ended.processes.pop_front();
                let kept = |process: &Process| process.asked || spared.contains(&index);
                if self.all.get(&index).is_some_and(|process| !kept(process)) {
                    let row = self.fold_process(index);
                    folds.processes.insert(index, row);
                }
            }
        }
        if self.ended.threads.len() > keep.saturating_add(slack) {
            while self.ended.threads.len() > keep
                && let Some(((index, tid, start_ns), sweeps)) = self.ended.threads.front().copied()
                && settled(sweeps)
            {
                self.ended.threads.pop_front();
                if let Some(process) = self.all.get_mut(&index) {
                    process.threads.remove(&(tid, start_ns));
                    process.ended_threads += 1;
                    self.ended.folded.threads += 1;
                    folds.threads.insert((index, tid, start_ns));
                }
            }
        }
        if !folds.is_empty() {
            self.forget_threads();
        }
        folds
    }

    /// Folds one process; returns its row.
    fn fold_process(&mut self, index: ProcessIndex) -> ProcessIndex {
        let process = self.remove(index);
        let command = process
            .comm
            .as_ref()
            .map(|comm| command(comm, process.kthread));
        let row = self.row(command);
        let row_of = self.entry(row);
        let stands_for = row_of.stands_for.get_or_insert(0);
        let details = &mut row_of.details;
        if *stands_for == 0 {
            details.cgroup = process.details.cgroup;
            details.exe = process.details.exe;
        } else {
            // A row has what all of its processes have.
            details.cgroup = details
                .cgroup
                .take()
                .filter(|own| Some(own) == process.details.cgroup.as_ref());
            details.exe = details
                .exe
                .take()
                .filter(|own| Some(own) == process.details.exe.as_ref());
        }
        // A nameless process that nothing announced is one that was folded before, of which another
        // count came.
        if process.announced || process.comm.is_some() {
            *stands_for += 1;
            self.ended.folded.processes += 1;
        }
        let row_of = self.entry(row);
        // One that no orderly end sends stays.
        let bad = |signal: &u8| !ORDERLY.contains(signal);
        row_of.signal = row_of
            .signal
            .filter(bad)
            .or(process.signal)
            .or(row_of.signal);
        row
    }

    /// Returns the row of a command.
    fn row(&mut self, command: Option<Name>) -> ProcessIndex {
        let rows = &self.ended.rows;
        let command =
            command.filter(|name| rows.len() < ROWS || rows.contains_key(&Some(name.clone())));
        if let Some(row) = rows.get(&command) {
            return *row;
        }
        let row = self.add(Process {
            comm: command.clone(),
            ended: true,
            announced: true,
            stands_for: Some(0),
            ..FORGOTTEN.clone()
        });
        self.ended.rows.insert(command, row);
        row
    }

    /// Forgets details that can be long.
    pub fn forget_details(&mut self) {
        for process in self.all.values_mut() {
            process.details = Details {
                cgroup: process.details.cgroup.take(),
                ..Details::default()
            };
            process.threads.clear();
            process.comms.clear();
        }
    }

    /// Makes no process reported without counts but these, and forgets all rows.
    pub fn forget_counted(&mut self, but: &BTreeSet<ProcessIndex>) {
        self.next_rows();
        self.announce_only(but);
    }

    /// Forgets all processes but these.
    pub fn forget_others(&mut self, but: &BTreeSet<ProcessIndex>) {
        let others = self.all.keys().filter(|index| !but.contains(index));
        let others: Vec<ProcessIndex> = others.copied().collect();
        for index in others {
            self.remove(index);
        }
        self.forget_ended();
    }

    /// Begins the next interval: rows belong to the one before.
    pub(super) fn next_rows(&mut self) {
        for row in std::mem::take(&mut self.ended.rows).into_values() {
            self.all.remove(&row);
        }
        self.ended.folded = Folded::default();
    }

    /// Forgets what has ended of processes that are not known any more.
    pub(super) fn forget_ended(&mut self) {
        let Self { ended, all, .. } = self;
        ended.processes.retain(|(index, _)| all.contains_key(index));
        ended
            .threads
            .retain(|((index, ..), _)| all.contains_key(index));
    }
}

/// Returns the name that stands for a process: its own. Kernel threads have their work behind a
/// slash in it.
fn command(comm: &Name, kthread: bool) -> Name {
    let bytes = comm.as_bytes();
    match bytes
        .iter()
        .position(|byte| *byte == b'/')
        .filter(|_| kthread)
    {
        Some(end) => Name::from(&bytes[..end]),
        None => comm.clone(),
    }
}
