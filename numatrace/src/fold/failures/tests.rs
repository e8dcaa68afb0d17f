//! Tests of `failures`.

use super::*;
use crate::{
    decode::count::ThreadId,
    enrich::process::Processes,
    ids::{Pid, Tid},
};

fn process() -> ProcessIndex {
    Processes::example().1
}

fn thread() -> ThreadId {
    ThreadId {
        pid: Pid(7),
        tid: Tid(7),
        start_ns: 5,
    }
}

fn kill(constraint: Option<OomConstraint>) -> OomKill {
    OomKill {
        victim: thread(),
        comm: Name::from("app"),
        asker: thread(),
        constraint,
        order: constraint.map(|_| 0),
        cpu_node: NodeId(0),
        nodes: vec![NodeId(0)],
        free: vec![(NodeId(0), 10), (NodeId(1), 1_000)],
    }
}

#[test]
fn a_process_is_killed_once_whatever_threads_are_marked() {
    let mut failures = Failures::default();
    let late = || panic!("free memory is in the record");
    let policy = Some(OomConstraint::MemoryPolicy);
    failures.killed(process(), &kill(policy), 10, 4, late);
    failures.killed(process(), &kill(None), 11, 4, Vec::new);
    assert_eq!(failures.killed.len(), 1);
    let killed = &failures.killed[0];
    assert_eq!((killed.at_ns, killed.constraint), (10, policy));
    assert_eq!(killed.free_kb, [(NodeId(0), 40), (NodeId(1), 4_000)]);
}

#[test]
fn free_memory_is_read_where_the_record_has_none() {
    let mut failures = Failures::default();
    let late = || {
        vec![NodeFree {
            node: NodeId(1),
            free_kb: 9,
        }]
    };
    failures.killed(process(), &kill(None), 10, 4, late);
    let killed = &failures.killed[0];
    assert!(killed.free_read_late);
    assert_eq!(killed.free_kb, [(NodeId(1), 9)]);
}

fn refused(why: Option<Why>, stack: u32) -> PolicyRefused {
    PolicyRefused {
        thread: thread(),
        call: Some(PolicyCall::Mbind),
        errno: 22,
        why,
        args: [1, 2, 3, 4],
        cpu_node: NodeId(0),
        set: vec![0],
        allowed: vec![],
        stack: Some(stack),
        caller: None,
    }
}

#[test]
fn calls_that_are_alike_are_one_entry_with_a_number() {
    let mut failures = Failures::default();
    for at in [30, 10, 20] {
        failures.refused(process(), &refused(Some(Why::Unaligned), 1), at);
    }
    failures.refused(process(), &refused(Some(Why::Flags), 1), 40);
    failures.refused(process(), &refused(Some(Why::Unaligned), 2), 50);
    assert_eq!(failures.refused.len(), 3);
    let times: Vec<Times> = failures.refused.values().map(|tries| tries.times).collect();
    assert!(times.contains(&Times {
        count: 3,
        first_ns: 10,
        last_ns: 30
    }));
}

#[test]
fn pools_are_asked_for_once_and_what_finds_no_room_is_counted() {
    let mut failures = Failures::default();
    let mut asked = 0;
    for address in 0..3 {
        let failed = HugetlbFailed {
            thread: thread(),
            address: Some(address),
            request: Some(HugetlbRequest::Fault),
            errno: 28,
            page_kb: 2048,
            policy_mode: 2,
            nodes: vec![NodeId(1)],
            allowed: vec![NodeId(0), NodeId(1)],
            pages: 1,
            cpu_node: NodeId(0),
            stack: None,
            pools: None,
        };
        failures.hugetlb(process(), &failed, address, || {
            asked += 1;
            Vec::new()
        });
        // Of a different size, with the pool as the kernel side read it.
        let read = HugetlbFailed {
            page_kb: 1 << 20,
            pools: Some(vec![(NodeId(1), 2, 9)]),
            ..failed
        };
        failures.hugetlb(process(), &read, address, || panic!("it is known"));
    }
    assert_eq!((asked, failures.hugetlb.len()), (1, 2));
    let mut tries = failures.hugetlb.values();
    let (late, read) = (tries.next().unwrap(), tries.next().unwrap());
    assert_eq!((late.times.count, late.pages), (3, 3));
    assert!(late.pools_read_late && !read.pools_read_late);
    assert_eq!((read.pools[0].free, read.pools[0].total), (2, 9));
    for stack in 0..=u32::try_from(ENTRIES).unwrap() {
        failures.alloc(Some(process()), Some(stack), 1);
    }
    assert_eq!((failures.allocs.len(), failures.no_room), (ENTRIES, 1));
}

#[test]
fn the_least_free_memory_is_what_can_be_said_to_have_been_there() {
    let mut failures = Failures::default();
    let free = |free_kb| {
        [NodeFree {
            node: NodeId(1),
            free_kb,
        }]
    };
    for kb in [500, 200, 300] {
        failures.looked_for_memory(process(), &free(kb));
    }
    assert_eq!(failures.free_kb[&process()][&NodeId(1)], 200);
}
