//! Ended processes and threads that are folded: nothing is taken from a sum, whatever ends when.

use std::collections::{BTreeMap, BTreeSet};

use numatrace::decode::event::{Body, Event, TaskExit};
use numatrace::enrich::{Enrich, process::Folds};
use numatrace::ids::{NodeId, Pid, Tid};
use numatrace::model::{Alloc, Name, ProcessKind, Snapshot, System};
use proptest::prelude::*;

use super::load::{Counted, PIDS, on_any_machine, start_ns};
use super::machine;
use super::whole::{Hooks, KnownFacts, between, folded, kernel, observed, report_of};

/// The end of one of the threads that count: each process has three.
fn exit(number: usize) -> Event {
    let pid = PIDS[number / 3];
    let tid = pid + u32::try_from(number % 3).unwrap();
    Event {
        time_ns: u64::MAX - 1,
        cpu: 0,
        body: Body::TaskExit(TaskExit {
            pid: Pid(pid),
            tid: Tid(tid),
            start_ns: start_ns(tid),
            process_start_ns: start_ns(pid),
            kthread: false,
            group_dead: number.is_multiple_of(3),
            signal: None,
            comm: Name::from("ended"),
        }),
    }
}

/// A session in which some threads end, at most `keep` of which keep entries of their own.
fn session(at: usize, counted: &[Counted], ends: &[usize], keep: usize) -> (Snapshot, Folds) {
    let (_, machine) = &machine::all()[at];
    let nodes: Vec<NodeId> = machine.node_ids().collect();
    let mut enrich = Enrich::new(KnownFacts);
    let seen = observed(&mut enrich, counted);
    let (window, mut inside) = folded(&nodes, &seen, kernel(&nodes, counted));
    for end in ends {
        enrich.event(&exit(*end));
    }
    let before = inside.total();
    let folds = enrich.processes.fold(keep, true, BTreeSet::new);
    inside.fold(&folds);
    assert_eq!(inside.total(), before);
    let session = between(window, inside);
    (
        report_of(machine, Hooks::Exact, &session, &mut enrich),
        folds,
    )
}

/// The sums of the whole system. Who asked for migrations is left out: pages that a process moved
/// of its own are what is left of all, and random counts leave less than nothing.
fn nameless(snapshot: &Snapshot) -> Option<System> {
    let mut system = snapshot.system.clone()?;
    if let Some(migrations) = &mut system.page_migrations {
        migrations.moved_by = None;
    }
    // A process that is folded has no name for those that it touched memory of.
    let touch = system.first_touch.as_mut();
    let others = touch.map(|touch| touch.by_others.iter_mut());
    others
        .into_iter()
        .flatten()
        .for_each(|other| other.comm = None);
    Some(system)
}

proptest! {
    #[test]
    fn the_report_has_the_same_sums_and_audit_whoever_is_folded(
        (at, counted) in on_any_machine(),
        ends in proptest::collection::btree_set(0..3 * PIDS.len(), 0..3 * PIDS.len()),
        keep in 0..4_usize,
    ) {
        // A report without any entry has no sums.
        prop_assume!(!counted.is_empty());
        let ends: Vec<usize> = ends.into_iter().collect();
        let (whole, _) = session(at, &counted, &ends, usize::MAX);
        let (short, folds) = session(at, &counted, &ends, keep);
        prop_assert_eq!(whole.alloc_total(), short.alloc_total());
        prop_assert_eq!(&whole.audit, &short.audit);
        prop_assert_eq!(nameless(&whole), nameless(&short));
        let dead = ends.iter().filter(|end| end.is_multiple_of(3)).count();
        prop_assert_eq!(folds.processes.len(), dead.saturating_sub(keep));
        let rows = short.processes.iter().filter_map(|process| process.stands_for);
        prop_assert_eq!(rows.sum::<u64>(), folds.processes.len() as u64);
        let own = short.processes.iter().filter(|one| one.kind != ProcessKind::Other);
        prop_assert!(own.filter(|one| one.ended == Some(true)).count() <= keep);
    }
}

#[test]
fn each_command_has_one_row_and_each_process_one_for_its_threads() {
    let machine = &machine::all()[1].1;
    let nodes: Vec<NodeId> = machine.node_ids().collect();
    let counted = super::load::dense(&nodes);
    // Process 100, and the second and third thread of process 300.
    let (short, _) = session(1, &counted, &[0, 7, 8], 0);
    let (whole, _) = session(1, &counted, &[], usize::MAX);
    let row = |comm: &str| {
        short
            .processes
            .iter()
            .find(|one| one.comm == *comm)
            .unwrap()
    };
    let folded = row("[ended: ended]");
    assert_eq!(
        (folded.pid, folded.kind, folded.stands_for),
        (Pid(0), ProcessKind::Other, Some(1))
    );
    assert!(folded.threads.is_empty());
    let own = |snapshot: &Snapshot, pid: u32| -> BTreeMap<u32, Option<Alloc>> {
        let mut processes = snapshot.processes.iter();
        let process = processes.find(|one| one.pid == Pid(pid)).unwrap();
        let threads = process.threads.iter();
        threads
            .map(|thread| (thread.tid.0, thread.alloc.clone()))
            .collect()
    };
    let before = own(&whole, 300);
    let after = own(&short, 300);
    assert_eq!(after.keys().copied().collect::<Vec<_>>(), [0, 300]);
    assert_eq!(after[&300], before[&300]);
    let gone = Alloc::sum([301, 302].iter().filter_map(|tid| before[tid].as_ref()));
    assert_eq!(after[&0], gone);
}
