//! Birth, exec and exit of processes, as records report them.

use super::{
    incarnation::{ProcessIndex, ticks},
    processes::Processes,
};
use crate::{
    decode::event::{TaskExec, TaskExit, TaskFork},
    enrich::facts::{Details, Facts},
};

impl Processes {
    /// Adds a process that was forked.
    pub fn forked(&mut self, fork: &TaskFork) -> ProcessIndex {
        // A scan can have found the process before its record was read.
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
        // Records of two CPUs can be read in either order: an exec is later than the fork.
        process.exec_ns.get_or_insert(fork.start_ns);
        process.announced = true;
        index
    }

    /// Notes an exec: the process keeps its identity and gets a new name. Its executable is read at
    /// once, because short-lived processes are soon gone; if they are, the path passed to exec is
    /// used.
    pub fn execed(
        &mut self,
        exec: &TaskExec,
        time_ns: u64,
        facts: &mut impl Facts,
    ) -> ProcessIndex {
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
        process.exec_ns = Some(time_ns);
        process.rename(&exec.comm);
        details.exe = details.exe.or_else(|| exec.filename.clone());
        details.cgroup = details.cgroup.or_else(|| process.details.cgroup.take());
        details.ns_pid = details.ns_pid.or(process.details.ns_pid);
        details.uid = details.uid.or(process.details.uid);
        details.seccomp = details.seccomp.or(process.details.seccomp);
        process.details = details;
        index
    }

    /// Notes the end of a thread at `time_ns` after boot; with the last thread its process ends.
    pub fn exited(&mut self, exit: &TaskExit, time_ns: u64) {
        let index = match self.exactly(exit.pid, exit.process_start_ns) {
            Some(index) => index,
            None => {
                // Neither found at the start nor announced: the kernel skipped the program at its
                // fork.
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
        if exit.tid.0 != exit.pid.0 {
            self.note_thread_ended(index, exit.tid, exit.start_ns);
        }
        if exit.group_dead {
            let process = self.entry(index);
            process.ended_ns = Some(time_ns);
            process.signal = exit.signal;
            self.note_ended(index);
        }
    }
}

#[cfg(test)]
impl Processes {
    /// Returns process 7, `app`, born 5 ns after boot.
    pub fn example() -> (Self, ProcessIndex) {
        let mut known = Self::default();
        let index = known.forked(&TaskFork {
            pid: crate::ids::Pid(7),
            start_ns: 5,
            parent: crate::ids::Pid(1),
            kthread: false,
            comm: crate::model::Name::from("app"),
        });
        (known, index)
    }
}
