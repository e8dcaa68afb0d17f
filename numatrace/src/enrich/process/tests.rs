//! Claims about incarnations: reused pids, threads that are looked up late, processes without
//! records.

use std::collections::HashMap;

use super::*;
use crate::{
    decode::{
        count::ThreadId,
        event::{TaskExec, TaskExit, TaskFork},
    },
    enrich::facts::{Details, Facts, Identity},
    ids::{Pid, Tid},
    model::Name,
};

/// A `/proc` with the processes that a test adds.
#[derive(Default)]
struct Fixture(HashMap<Pid, Identity>);

impl Facts for Fixture {
    fn identity(&mut self, pid: Pid) -> Option<Identity> {
        self.0.get(&pid).cloned()
    }
    fn details(&mut self, _pid: Pid) -> Details {
        Details::default()
    }
    fn thread(&mut self, _pid: Pid, _tid: Tid) -> Option<Identity> {
        None
    }
    fn pids(&mut self) -> Vec<Pid> {
        self.0.keys().copied().collect()
    }
}

fn alive(pid: u32, comm: &str, start_ticks: u64) -> Fixture {
    let identity = Identity {
        comm: Name::from(comm),
        start_ticks,
        kthread: false,
    };
    Fixture(HashMap::from([(Pid(pid), identity)]))
}

fn thread(pid: u32, tid: u32, start_ns: u64) -> ThreadId {
    ThreadId {
        pid: Pid(pid),
        tid: Tid(tid),
        start_ns,
    }
}

fn fork(pid: u32, start_ns: u64, comm: &str) -> TaskFork {
    TaskFork {
        pid: Pid(pid),
        start_ns,
        parent: Pid(1),
        kthread: false,
        comm: Name::from(comm),
    }
}

fn exit(pid: u32, start_ns: u64, comm: &str) -> TaskExit {
    TaskExit {
        tid: Tid(pid),
        start_ns,
        pid: Pid(pid),
        process_start_ns: start_ns,
        kthread: false,
        group_dead: true,
        signal: None,
        comm: Name::from(comm),
    }
}

#[test]
fn a_reused_pid_is_a_different_process() {
    let (mut processes, mut facts) = (Processes::default(), Fixture::default());
    processes.forked(&fork(100, 1_000_000_000, "first"));
    processes.exited(&exit(100, 1_000_000_000, "first"), 2_000_000_000);
    processes.forked(&fork(100, 2_000_000_000, "second"));
    let early = processes.of_thread(thread(100, 100, 1_000_000_000), &mut facts);
    let late = processes.of_thread(thread(100, 100, 2_000_000_000), &mut facts);
    assert_ne!(early, late);
    assert_eq!(processes.get(early).comm, Some(Name::from("first")));
    assert_eq!(processes.get(late).comm, Some(Name::from("second")));
}

#[test]
fn an_ended_process_is_forgotten_an_interval_later_and_a_new_one_is_not() {
    let (mut processes, mut facts) = (Processes::default(), Fixture::default());
    processes.forked(&fork(100, 1_000_000_000, "first"));
    processes.exited(&exit(100, 1_000_000_000, "first"), 2_000_000_000);
    processes.forked(&fork(200, 1_500_000_000, "new"));
    assert_eq!(processes.announced(1_200_000_000).count(), 1);
    processes.next_interval(1_200_000_000);
    let announced: Vec<_> = processes.announced(3_000_000_000).collect();
    assert_eq!(announced.len(), 1);
    assert_eq!(processes.get(announced[0]).pid, Pid(200));
    let late = processes.of_thread(thread(100, 100, 1_000_000_000), &mut facts);
    assert_eq!(processes.get(late).comm, Some(Name::from("first")));
    processes.forked(&fork(100, 2_000_000_000, "second"));
    processes.next_interval(3_000_000_000);
    assert_eq!(processes.all.len(), 2);
    let known = processes.of_thread(thread(100, 100, 2_000_000_000), &mut facts);
    assert_eq!(processes.get(known).comm, Some(Name::from("second")));
}

#[test]
fn threads_belong_to_the_incarnation_that_had_begun() {
    let (mut processes, mut facts) = (Processes::default(), Fixture::default());
    processes.forked(&fork(100, 1_000_000_000, "first"));
    processes.forked(&fork(100, 5_000_000_000, "second"));
    let worker = processes.of_thread(thread(100, 101, 3_000_000_000), &mut facts);
    assert_eq!(processes.get(worker).comm, Some(Name::from("first")));
}

#[test]
fn a_scanned_process_gets_its_exact_start_from_its_leader() {
    let mut facts = alive(7, "daemon", 123);
    let mut processes = Processes::default();
    processes.scan(&mut facts);
    let scanned = processes.of_thread(thread(7, 8, 9_000_000_000), &mut facts);
    let exact = processes.of_thread(thread(7, 7, 1_234_567_890), &mut facts);
    assert_eq!(scanned, exact);
    assert_eq!(processes.get(exact).start_ns, 1_234_567_890);
}

#[test]
fn a_process_that_ended_unseen_is_kept_without_a_name() {
    let (mut processes, mut facts) = (Processes::default(), Fixture::default());
    let index = processes.of_thread(thread(9, 9, 50_000_000), &mut facts);
    assert_eq!(processes.get(index).comm, None);
    processes.exited(&exit(9, 50_000_000, "late record"), 2_000_000_000);
    assert_eq!(processes.get(index).comm, Some(Name::from("late record")));
}

#[test]
fn a_living_namesake_does_not_lend_its_name_to_a_dead_one() {
    let mut facts = alive(9, "newcomer", 900);
    let mut processes = Processes::default();
    let index = processes.of_thread(thread(9, 9, 50_000_000), &mut facts);
    assert_eq!(processes.get(index).comm, None);
}

#[test]
fn exec_keeps_the_process_and_remembers_its_first_name() {
    let (mut processes, mut facts) = (Processes::default(), Fixture::default());
    processes.forked(&fork(5, 70_000_000, "sh"));
    processes.execed(
        &TaskExec {
            pid: Pid(5),
            start_ns: 70_000_000,
            comm: Name::from("app"),
            filename: Some(Name::from("/usr/bin/app")),
        },
        90_000_000,
        &mut facts,
    );
    let index = processes.of_thread(thread(5, 5, 70_000_000), &mut facts);
    let process = processes.get(index);
    assert_eq!(process.comm, Some(Name::from("app")));
    assert_eq!(process.comms, [Name::from("sh")]);
    assert_eq!(process.details.exe, Some(Name::from("/usr/bin/app")));
    assert_eq!(process.exec_ns, Some(90_000_000));
}

#[test]
fn a_process_asked_for_is_reported_even_without_counts() {
    let mut facts = Fixture::default();
    for pid in [4, 5] {
        let identity = Identity {
            start_ticks: 100,
            comm: Name::from("idle"),
            kthread: false,
        };
        facts.0.insert(Pid(pid), identity);
    }
    let mut processes = Processes::default();
    processes.scan(&mut facts);
    processes.ask_for(&[Pid(5), Pid(6)]);
    let pids = |processes: &Processes| -> Vec<Pid> {
        let announced = processes.announced(u64::MAX);
        announced.map(|index| processes.get(index).pid).collect()
    };
    assert_eq!(pids(&processes), [Pid(5)]);
    // The next interval reports it too.
    processes.next_interval(u64::MAX);
    assert_eq!(pids(&processes), [Pid(5)]);
}
