//! The order of counts and records does not matter, nor how a session is divided in two.

use numatrace::decode::event::{Body, Event, TaskExec, TaskExit, TaskFork};
use numatrace::enrich::Enrich;
use numatrace::fold::Accumulators;
use numatrace::ids::{NodeId, Pid, Tid};
use numatrace::model::Name;
use proptest::prelude::*;

use super::load::on_any_machine;
use super::machine;
use super::whole::{Hooks, KnownFacts, folded, kernel, observed, reported};

/// A process that is forked, executes a program and ends, all on one CPU.
fn life(pid: u32, cpu: u32) -> Vec<Event> {
    let (id, start_ns) = (Pid(pid), u64::from(pid) * 10_000_000);
    let event = |at: u64, body| Event {
        time_ns: start_ns + at,
        cpu,
        body,
    };
    let name = |what: &str| Name::from(format!("{what}-{pid}").as_str());
    vec![
        event(
            0,
            Body::TaskFork(TaskFork {
                pid: id,
                start_ns,
                parent: Pid(1),
                kthread: false,
                comm: name("parent"),
            }),
        ),
        event(
            1,
            Body::TaskExec(TaskExec {
                pid: id,
                start_ns,
                comm: name("program"),
                filename: None,
            }),
        ),
        event(
            2,
            Body::TaskExit(TaskExit {
                tid: Tid(pid),
                start_ns,
                pid: id,
                process_start_ns: start_ns,
                kthread: false,
                group_dead: true,
                signal: None,
                comm: name("program"),
            }),
        ),
    ]
}

/// Names and earlier names of all processes in the events, by number.
fn known(events: impl Iterator<Item = Event>) -> Vec<(Pid, Option<Name>, Vec<Name>)> {
    let mut enrich = Enrich::new(KnownFacts);
    for event in events {
        enrich.event(&event);
    }
    let indexes: Vec<_> = enrich.processes.announced(u64::MAX).collect();
    let mut all: Vec<_> = indexes
        .into_iter()
        .map(|index| enrich.processes.get(index))
        .map(|process| (process.pid, process.comm.clone(), process.comms.clone()))
        .collect();
    all.sort();
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn counts_may_come_in_any_order(
        ((at, counted), shuffled) in on_any_machine().prop_flat_map(|(at, counted)| {
            (Just((at, counted.clone())), Just(counted).prop_shuffle())
        })
    ) {
        let (_, machine) = &machine::all()[at];
        prop_assert_eq!(
            reported(machine, Hooks::Exact, &counted),
            reported(machine, Hooks::Exact, &shuffled)
        );
    }

    #[test]
    fn two_halves_merged_are_the_whole(
        (at, counted) in on_any_machine(),
        share in 0.0..1.0f64
    ) {
        let (_, machine) = &machine::all()[at];
        let nodes: Vec<NodeId> = machine.node_ids().collect();
        let mut enrich = Enrich::new(KnownFacts);
        let seen = observed(&mut enrich, &counted);
        let middle = (0..seen.len()).filter(|i| (*i as f64) < share * seen.len() as f64).count();
        let (first, second) = seen.split_at(middle);
        let end = || kernel(&nodes, &counted);
        let (_, whole) = folded(&nodes, &seen, end());
        let mut merged = Accumulators::default();
        merged.merge(&folded(&nodes, first, end()).1);
        merged.merge(&folded(&nodes, second, end()).1);
        let sorted = |counted: &Accumulators| {
            let tallies = counted.tallies.iter();
            let mut tallies: Vec<_> = tallies.map(|(key, tally)| (*key, *tally)).collect();
            tallies.sort_by_key(|(key, _)| *key);
            tallies
        };
        prop_assert_eq!(sorted(&merged), sorted(&whole));
        prop_assert_eq!(merged.foreign_at_boundary, whole.foreign_at_boundary);
    }

    /// The records of one CPU keep their order; those of different CPUs may come in any.
    #[test]
    fn records_of_different_cpus_may_interleave(
        turns in Just((0..4u32).flat_map(|cpu| [cpu; 3]).collect::<Vec<_>>()).prop_shuffle()
    ) {
        let lives: Vec<Vec<Event>> = (0..4).map(|cpu| life(1_000 + cpu, cpu)).collect();
        let in_turn = known(lives.iter().flatten().cloned());
        let mut next = [0usize; 4];
        let interleaved = turns.iter().map(|cpu| {
            let cpu = *cpu as usize;
            next[cpu] += 1;
            lives[cpu][next[cpu] - 1].clone()
        });
        prop_assert_eq!(known(interleaved), in_turn.clone());
        prop_assert_eq!(in_turn.len(), 4);
    }
}
