//! Claims about ended processes and threads: which are folded, when, and into what.

use std::collections::BTreeSet;

use super::{Folds, Processes, ended::ENDED_THREADS};
use crate::{
    decode::event::{TaskExit, TaskFork},
    enrich::{
        Charged,
        facts::{Details, Facts, Identity},
        process::ProcessIndex,
    },
    ids::{Pid, Tid},
    model::Name,
};

/// ns of a clock tick.
const TICK: u64 = 10_000_000;

/// A `/proc` in which only these processes live.
struct Living(Vec<Pid>);

impl Facts for Living {
    fn identity(&mut self, _pid: Pid) -> Option<Identity> {
        None
    }
    fn details(&mut self, _pid: Pid) -> Details {
        Details::default()
    }
    fn thread(&mut self, _pid: Pid, _tid: Tid) -> Option<Identity> {
        None
    }
    fn pids(&mut self) -> Vec<Pid> {
        self.0.clone()
    }
}

fn born(processes: &mut Processes, pid: u32, comm: &str) -> ProcessIndex {
    processes.forked(&TaskFork {
        pid: Pid(pid),
        start_ns: u64::from(pid) * TICK,
        parent: Pid(1),
        kthread: false,
        comm: Name::from(comm),
    })
}

fn ended(processes: &mut Processes, pid: u32, tid: u32, comm: &str) {
    let exit = TaskExit {
        pid: Pid(pid),
        tid: Tid(tid),
        start_ns: u64::from(tid) * TICK,
        process_start_ns: u64::from(pid) * TICK,
        kthread: false,
        group_dead: pid == tid,
        signal: None,
        comm: Name::from(comm),
    };
    processes.exited(&exit, u64::from(tid) * TICK + 1);
}

fn swept(processes: &mut Processes, times: usize) {
    (0..times).for_each(|_| processes.swept());
}

fn fold(processes: &mut Processes, keep: usize, at_end: bool) -> Folds {
    processes.fold(keep, at_end, BTreeSet::new)
}

#[test]
fn counts_that_come_late_still_find_their_process() {
    let mut processes = Processes::default();
    born(&mut processes, 7, "app");
    ended(&mut processes, 7, 7, "app");
    swept(&mut processes, 1);
    assert!(fold(&mut processes, 0, false).is_empty());
    swept(&mut processes, 1);
    assert_eq!(fold(&mut processes, 0, false).processes.len(), 1);
}

#[test]
fn the_oldest_are_folded_into_the_row_of_their_command_and_the_end_leaves_no_more_than_the_bound() {
    let mut processes = Processes::default();
    for pid in 1..=20 {
        let comm = if pid % 2 == 0 { "even" } else { "odd" };
        born(&mut processes, pid, comm);
        ended(&mut processes, pid, pid, comm);
    }
    swept(&mut processes, 9);
    assert!(
        fold(&mut processes, 16, false).is_empty(),
        "they wait for more of them"
    );
    let folds = fold(&mut processes, 16, true);
    assert_eq!(folds.processes.len(), 4);
    let rows: BTreeSet<ProcessIndex> = folds.processes.values().copied().collect();
    let rows = rows.into_iter().map(|row| {
        let row = processes.get(row);
        (row.comm.clone().unwrap(), row.stands_for)
    });
    let expected = [("odd", Some(2)), ("even", Some(2))];
    assert_eq!(
        rows.collect::<Vec<_>>(),
        expected.map(|(comm, number)| (Name::from(comm), number))
    );
    assert!(processes.at(Pid(4), u64::MAX).is_none());
    assert!(processes.at(Pid(5), u64::MAX).is_some());
    assert_eq!(processes.folded().processes, 4);
}

#[test]
fn names_are_anybody_s_choice_and_rows_are_few() {
    let mut processes = Processes::default();
    for pid in 1..=5_000 {
        let comm = format!("name {pid}");
        born(&mut processes, pid, &comm);
        ended(&mut processes, pid, pid, &comm);
    }
    let folds = fold(&mut processes, 0, true);
    assert_eq!(folds.processes.len(), 5_000);
    assert!(processes.len() <= 257, "{}", processes.len());
    let rows = processes.iter().filter_map(|(_, row)| row.stands_for);
    assert_eq!(rows.sum::<u64>(), 5_000);
}

#[test]
fn processes_that_are_asked_for_or_that_failed_keep_their_entries() {
    let mut processes = Processes::default();
    let failed = born(&mut processes, 3, "failed");
    let asked = born(&mut processes, 4, "asked");
    processes.ask_for(&[Pid(4)]);
    for pid in [3, 4] {
        ended(&mut processes, pid, pid, "it");
    }
    let folds = processes.fold(0, true, || BTreeSet::from([failed]));
    assert!(folds.is_empty());
    assert!(processes.knows(failed) && processes.knows(asked));
}

#[test]
fn names_of_ended_threads_are_forgotten() {
    let mut processes = Processes::default();
    let process = born(&mut processes, 7, "app");
    for tid in 1_000..3_000 {
        ended(&mut processes, 7, tid, "worker");
    }
    let folds = fold(&mut processes, 10, true);
    assert_eq!(folds.threads.len(), 1_990);
    let known = processes.get(process);
    assert_eq!((known.threads.len(), known.ended_threads), (10, 1_990));
    let charged = |tid| Charged::Thread {
        process,
        tid: Tid(tid),
        start_ns: u64::from(tid) * TICK,
    };
    let (tid, start_ns) = ENDED_THREADS;
    let row = Charged::Thread {
        process,
        tid,
        start_ns,
    };
    assert_eq!(folds.charged(charged(1_000)), row);
    assert_eq!(folds.charged(charged(2_999)), charged(2_999));
}

#[test]
fn a_process_whose_end_was_not_recorded_is_found_to_be_gone() {
    let mut processes = Processes::default();
    let mut facts = Living(vec![Pid(1)]);
    let alive = born(&mut processes, 1, "init");
    processes.check_living(&mut facts);
    for pid in 2..2_000 {
        born(&mut processes, pid, "lost");
    }
    processes.check_living(&mut facts);
    assert!(!processes.get(alive).ended);
    assert_eq!(fold(&mut processes, 0, true).processes.len(), 1_998);
}

#[test]
fn a_count_of_a_process_that_was_folded_is_not_another_process() {
    let mut processes = Processes::default();
    born(&mut processes, 7, "app");
    ended(&mut processes, 7, 7, "app");
    fold(&mut processes, 0, true);
    let thread = crate::decode::count::ThreadId {
        pid: Pid(7),
        tid: Tid(7),
        start_ns: 7 * TICK,
    };
    processes.of_thread(thread, &mut Living(Vec::new()));
    fold(&mut processes, 0, true);
    let rows = processes.iter().filter_map(|(_, row)| row.stands_for);
    assert_eq!(rows.collect::<Vec<_>>(), [1, 0]);
}

#[test]
fn rows_are_of_one_interval() {
    let mut processes = Processes::default();
    born(&mut processes, 7, "app");
    ended(&mut processes, 7, 7, "app");
    fold(&mut processes, 0, true);
    processes.next_interval(u64::MAX);
    assert!(processes.is_empty());
    assert_eq!(processes.folded(), super::Folded::default());
}

#[test]
fn a_process_that_calls_exec_in_a_loop_has_few_earlier_names() {
    let mut processes = Processes::default();
    let process = born(&mut processes, 7, "first");
    for turn in 0..1_000 {
        ended(&mut processes, 7, 7, &format!("name {turn}"));
    }
    let comms = &processes.get(process).comms;
    assert!(comms.len() <= 32, "{}", comms.len());
    assert_eq!(comms.first(), Some(&Name::from("first")));
    assert_eq!(comms.last(), Some(&Name::from("name 998")));
}
