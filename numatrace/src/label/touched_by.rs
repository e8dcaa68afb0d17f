//! The processes that touched first the memory of a different process.

use std::{cmp::Reverse, collections::BTreeMap};

use crate::{
    enrich::{facts::Facts, process::Processes},
    fold::area::Area,
    ids::Pid,
    model::{FirstTouch, Name, Process, TouchedBy},
};

/// Returns the processes with their base pages, most pages first, as yet without names.
pub fn all(touchers: impl Iterator<Item = (Pid, u64)>) -> Vec<TouchedBy> {
    let mut all: Vec<TouchedBy> = touchers
        .map(|(pid, pages)| TouchedBy {
            pid,
            comm: None,
            pages,
        })
        .collect();
    all.sort_by_key(|by| (Reverse(by.pages), by.pid));
    all
}

/// Returns the processes that touched pages of an area, most pages first, as yet without names.
pub fn of_area(area: &Area) -> Vec<TouchedBy> {
    let mut sums: BTreeMap<Pid, u64> = BTreeMap::new();
    for (key, touched) in &area.touches {
        if let Some(pid) = key.toucher {
            *sums.entry(pid).or_default() += touched.pages.total();
        }
    }
    all(sums.into_iter())
}

/// Adds the names.
pub fn name(touch: Option<&mut FirstTouch>, processes: &Processes, facts: &mut impl Facts) {
    name_all(
        touch.into_iter().flat_map(|touch| &mut touch.by_others),
        processes,
        facts,
    );
}

/// Adds the names to a list.
pub fn name_all<'a>(
    all: impl IntoIterator<Item = &'a mut TouchedBy>,
    processes: &Processes,
    facts: &mut impl Facts,
) {
    for by in all {
        by.comm = processes.name_of(by.pid, facts);
    }
}

/// Adds the names to the touches of the whole system, from those of the processes.
pub fn with_names(mut all: FirstTouch, processes: &[Process]) -> FirstTouch {
    let touches = processes
        .iter()
        .filter_map(|process| process.first_touch.as_ref());
    let named = touches.flat_map(|touch| &touch.by_others);
    let names: BTreeMap<Pid, &Name> = named
        .filter_map(|by| Some((by.pid, by.comm.as_ref()?)))
        .collect();
    for by in &mut all.by_others {
        by.comm = names.get(&by.pid).map(|name| (*name).clone());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decode::{count::ToucherKey, mapping_run::TouchRun},
        fold::{Counts, area::Class},
        ids::NodeId,
    };

    #[test]
    fn what_others_touched_is_counted_less_what_their_faults_freed() {
        let key = |pid, withdrawn| ToucherKey {
            pid: Pid(pid),
            withdrawn,
        };
        let counts = Counts {
            touched_by: [
                (key(9, false), 10),
                (key(9, true), 4),
                (key(8, false), 512),
                (key(7, false), 1),
                (key(7, true), 1),
            ]
            .into(),
            ..Counts::default()
        };
        let by: Vec<(Pid, u64)> = all(counts.touchers())
            .into_iter()
            .map(|by| (by.pid, by.pages))
            .collect();
        assert_eq!(by, [(Pid(8), 512), (Pid(9), 6)]);
    }

    #[test]
    fn an_area_has_the_processes_that_touched_it_from_outside() {
        let mut area = Area::new(Class::Anon, None, 0..1 << 20);
        for toucher in [None, Some(Pid(9)), Some(Pid(9))] {
            area.touched(&TouchRun {
                toucher,
                ..TouchRun::example(0, 4, NodeId(0))
            });
        }
        let by: Vec<(Pid, u64)> = of_area(&area)
            .into_iter()
            .map(|by| (by.pid, by.pages))
            .collect();
        assert_eq!(by, [(Pid(9), 8)]);
        assert_eq!(area.pages(), 12);
    }
}
