//! Names and details of processes and threads for a report.

use super::{
    incarnation::{ProcessIndex, ticks},
    processes::Processes,
};
use crate::{
    enrich::facts::{Details, Facts},
    ids::{Pid, Tid},
    model::Name,
};

impl Processes {
    /// Reads the current name and details of a process for a report.
    pub fn refresh(&mut self, index: ProcessIndex, facts: &mut impl Facts) {
        let process = self.entry(index);
        if process.ended {
            return;
        }
        let Some(identity) = facts.identity(process.pid) else {
            self.note_ended(index);
            return;
        };
        if identity.start_ticks != ticks(process.start_ns) {
            self.note_ended(index);
            return;
        }
        process.rename(&identity.comm);
        process.kthread = identity.kthread;
        let now = facts.details(process.pid);
        let before = std::mem::take(&mut process.details);
        let args_cut = if now.args.is_some() {
            now.args_cut
        } else {
            before.args_cut
        };
        process.details = Details {
            args: now.args.or(before.args),
            args_cut,
            exe: now.exe.or(before.exe),
            cgroup: now.cgroup.or(before.cgroup),
            ns_pid: now.ns_pid.or(before.ns_pid),
            uid: now.uid.or(before.uid),
            seccomp: now.seccomp.or(before.seccomp),
        };
    }

    /// Returns the last name of a thread, from its exit or from the facts.
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
        // The leader's name is the name of its process.
        alive.or_else(|| process.comm.clone().filter(|_| tid.0 == process.pid.0))
    }

    /// Notes the current name of a thread, for reports after its end.
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

    /// Returns the name of the latest incarnation of a pid, from the facts when it is unknown.
    pub fn name_of(&self, pid: Pid, facts: &mut impl Facts) -> Option<Name> {
        self.at(pid, u64::MAX)
            .and_then(|index| self.get(index).comm.clone())
            .or_else(|| facts.identity(pid).map(|identity| identity.comm))
    }
}
