//! The processes that asked for the migrations of a process's pages. The kernel side counts other
//! processes by pid; the rest of the migrations the process asked for itself.

use std::{cmp::Reverse, collections::BTreeMap};

use crate::{
    enrich::{facts::Facts, process::Processes},
    ids::Pid,
    model::{Matrix, MovedBy, Name, Process},
};

/// Adds names, and the process itself for the migrations that no other process asked for.
pub fn complete(process: &mut Process, processes: &Processes, facts: &mut impl Facts) {
    let Some(migrations) = &mut process.page_migrations else {
        return;
    };
    let moved = migrations.matrix.as_ref().map_or(0, Matrix::total);
    let Some(askers) = &mut migrations.moved_by else {
        return;
    };
    let others: u64 = askers.iter().map(|asker| asker.pages).sum();
    for asker in askers.iter_mut() {
        asker.comm = processes.name_of(asker.pid, facts);
    }
    if moved > others {
        askers.push(MovedBy {
            pid: process.pid,
            comm: Some(process.comm.clone()),
            pages: moved - others,
        });
    }
    askers.sort_by_key(|asker| (Reverse(asker.pages), asker.pid));
}

/// Returns all processes that asked, with their pages over all owners.
pub fn all(processes: &[Process]) -> Vec<MovedBy> {
    let mut sums: BTreeMap<Pid, (u64, Option<Name>)> = BTreeMap::new();
    let askers = processes
        .iter()
        .filter_map(|process| process.page_migrations.as_ref()?.moved_by.as_ref())
        .flatten();
    for asker in askers {
        let (pages, comm) = sums.entry(asker.pid).or_default();
        *pages = pages.saturating_add(asker.pages);
        *comm = comm.take().or_else(|| asker.comm.clone());
    }
    let mut all: Vec<MovedBy> = sums
        .into_iter()
        .map(|(pid, (pages, comm))| MovedBy { pid, comm, pages })
        .collect();
    all.sort_by_key(|asker| (Reverse(asker.pages), asker.pid));
    all
}
