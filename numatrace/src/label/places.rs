//! Places of the processes of a session in the list of a report.

use std::collections::HashMap;

use crate::{enrich::process::Process as Known, ids::Pid, model::Name, model::Process};

/// An entry of the list: pid and start of a process, or the name of a bucket.
type Key = (Pid, u64, Option<Name>);

/// The place of each entry.
pub struct Places(HashMap<Key, usize>);

impl Places {
    /// Returns the places of these entries.
    pub fn of(processes: &[Process]) -> Self {
        let key = |process: &Process| {
            let name = (process.pid == Pid(0)).then(|| process.comm.clone());
            (process.pid, process.start_ns, name)
        };
        let all = processes.iter().enumerate();
        Self(all.map(|(at, process)| (key(process), at)).collect())
    }

    /// Returns the place of a process, or of a row that adds up ended ones.
    pub fn at(&self, known: &Known) -> Option<usize> {
        let name = known
            .stands_for
            .map(|number| Process::folded(known.comm.as_ref(), number).comm);
        self.0.get(&(known.pid, known.start_ns, name)).copied()
    }
}
