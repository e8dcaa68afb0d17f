//! The processes that used most CPU time lately: those whose memory is worth looking at.

use std::{
    cmp::Reverse,
    collections::{HashMap, hash_map::Entry},
};

use foldhash::fast::FixedState;

use crate::{
    decode::count::CountKind,
    enrich::{Charged, Observation, process::ProcessIndex},
};

/// CPU time of processes. Each sweep halves the time of all earlier ones.
#[derive(Clone, Debug, Default)]
pub struct Busy {
    ran_ns: HashMap<ProcessIndex, u64, FixedState>,
}

impl Busy {
    /// Takes in the counts of a sweep.
    pub fn sweep(&mut self, seen: &[Observation]) {
        self.ran_ns.retain(|_, ns| {
            *ns /= 2;
            *ns > 0
        });
        for observation in seen {
            if let (CountKind::TaskRun(_), Charged::Thread { process, .. }) =
                (&observation.what, &observation.charged)
            {
                match self.ran_ns.entry(*process) {
                    Entry::Occupied(mut known) => *known.get_mut() += observation.amount,
                    Entry::Vacant(new) => _ = new.insert(observation.amount),
                }
            }
        }
    }

    /// Returns the processes, most CPU time first.
    #[must_use]
    pub fn most(&self) -> Vec<ProcessIndex> {
        let mut most: Vec<(ProcessIndex, u64)> = self
            .ran_ns
            .iter()
            .map(|(process, ns)| (*process, *ns))
            .collect();
        most.sort_unstable_by_key(|(process, ns)| (Reverse(*ns), *process));
        most.into_iter().map(|(process, _)| process).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{NodeId, Tid};

    fn ran(process: u32, amount: u64) -> Observation {
        Observation {
            epoch: 0,
            charged: Charged::Thread {
                process: ProcessIndex::of_test(process),
                tid: Tid(1),
                start_ns: 0,
            },
            what: CountKind::TaskRun(NodeId(0)),
            count: 1,
            amount,
        }
    }

    #[test]
    fn who_runs_now_comes_before_who_ran_once() {
        let index = ProcessIndex::of_test;
        let mut busy = Busy::default();
        busy.sweep(&[ran(1, 1000), ran(2, 600), ran(3, 1)]);
        assert_eq!(busy.most(), [index(1), index(2), index(3)]);
        busy.sweep(&[ran(2, 300)]);
        assert_eq!(
            busy.most(),
            [index(2), index(1)],
            "and idle ones are forgotten"
        );
    }
}
