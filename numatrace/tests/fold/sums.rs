//! Parts add up to the whole: threads to their process, processes to the system and to the audit's
//! traced counters.

use std::collections::BTreeMap;

use numatrace::model::{BalancerWork, Counter, Matrix, PerNode, Process, Snapshot};
use proptest::prelude::*;

use super::load::on_any_machine;
use super::machine;
use super::whole::{Hooks, reported, summed};

/// Entries of a matrix by name.
fn count_keys(name: &str, matrix: Option<&Matrix>) -> Vec<(String, u64)> {
    let rows = matrix
        .into_iter()
        .flat_map(|matrix| matrix.0.iter().enumerate());
    rows.flat_map(|(from, row)| {
        row.0
            .iter()
            .enumerate()
            .map(move |(to, count)| (format!("{name} {from} {to}"), *count))
    })
    .collect()
}

fn per_node(name: &str, values: Option<&PerNode>) -> Vec<(String, u64)> {
    let values = values
        .into_iter()
        .flat_map(|values| values.0.iter().enumerate());
    values
        .map(|(node, count)| (format!("{name} {node}"), *count))
        .collect()
}

/// The work of NUMA balancing by name.
fn work(work: Option<&BalancerWork>) -> Vec<(String, u64)> {
    let Some(work) = work else { return Vec::new() };
    let mut all: Vec<(String, u64)> = [
        ("scans", work.scans),
        ("scanning", work.scan_ns),
        ("updates", work.pte_updates),
        ("in faults", work.fault_ns),
        ("migrating", work.migrate_ns),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value?)))
    .collect();
    for (reason, times) in work.vmas_skipped.iter().flatten() {
        all.push((format!("skipped {reason}"), *times));
    }
    all
}

/// All quantities that processes and the system share.
macro_rules! activity {
    ($of:expr) => {{
        let of = $of;
        let touch = of.first_touch.as_ref();
        let hints = of.hint_faults.as_ref();
        let moves = of.task_moves.as_ref();
        let mut all = count_keys("first touch", touch.and_then(|t| t.pages.as_ref()));
        all.extend(count_keys(
            "hint faults",
            hints.and_then(|h| h.matrix.as_ref()),
        ));
        all.extend(count_keys(
            "task moves",
            moves.and_then(|m| m.matrix.as_ref()),
        ));
        all.extend(per_node("run", of.run_ns.as_ref()));
        for (name, value) in [
            ("hint migrated", hints.and_then(|h| h.migrated)),
            ("moves", moves.and_then(|m| m.total)),
            ("crossed", moves.and_then(|m| m.cross_node)),
            ("ping-pong", moves.and_then(|m| m.ping_pong)),
            ("to waker", moves.and_then(|m| m.to_waker)),
            ("cow", touch.and_then(|t| t.marks.as_ref()?.cow)),
        ] {
            all.extend(value.map(|value| (name.to_owned(), value)));
        }
        for (reason, count) in moves
            .and_then(|m| m.by_reason.as_ref())
            .into_iter()
            .flatten()
        {
            all.push((format!("moved {reason:?}"), *count));
        }
        all
    }};
}

/// Quantities that threads do not have: migrations belong to the owner of the memory.
macro_rules! migrations {
    ($of:expr) => {{
        let of = $of.page_migrations.as_ref();
        let mut all = count_keys("migrations", of.and_then(|m| m.matrix.as_ref()));
        all.extend(
            of.and_then(|m| m.failed)
                .map(|failed| ("failed".to_owned(), failed)),
        );
        if let Some(causes) = of.and_then(|m| m.failed_by_cause) {
            all.push(("busy".to_owned(), causes.busy));
            all.push(("not busy".to_owned(), causes.other));
        }
        for (reason, pages) in of.and_then(|m| m.by_reason.as_ref()).into_iter().flatten() {
            all.push((format!("migrated {reason}"), *pages));
        }
        all
    }};
}

fn without_zeros(sums: impl IntoIterator<Item = (String, u64)>) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for (name, value) in sums {
        *all.entry(name).or_insert(0) += value;
    }
    all.retain(|_, value| *value > 0);
    all
}

fn of_processes(snapshot: &Snapshot) -> BTreeMap<String, u64> {
    without_zeros(summed(snapshot, |process: &Process| {
        let mut all = activity!(process);
        all.extend(migrations!(process));
        all.extend(work(
            process.balancer.as_ref().map(|balancing| &balancing.work),
        ));
        all
    }))
}

fn of_system(snapshot: &Snapshot) -> BTreeMap<String, u64> {
    let system = snapshot.system.as_ref().unwrap();
    let mut all = activity!(system);
    all.extend(migrations!(system));
    all.extend(work(
        system.balancer.as_ref().map(|balancing| &balancing.work),
    ));
    without_zeros(all)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn processes_add_up_to_the_system_and_to_what_is_audited((at, counted) in on_any_machine()) {
        let (_, machine) = &machine::all()[at];
        for hooks in Hooks::ALL {
            let snapshot = reported(machine, hooks, &counted);
            prop_assert_eq!(of_processes(&snapshot), of_system(&snapshot), "{:?}", hooks);
            for (node, audited) in snapshot.audit.nodes.iter().enumerate() {
                for counter in Counter::ALL {
                    let traced = audited.counter(counter).traced;
                    let sum = summed(&snapshot, |process| {
                        let alloc = process.alloc.as_ref();
                        let values = alloc.and_then(|alloc| alloc.counter(counter));
                        values.map(|v| (String::new(), v.at(node))).into_iter().collect()
                    });
                    if traced.is_some() && !snapshot.processes.is_empty() {
                        prop_assert_eq!(traced, sum.values().next().copied(), "{:?}", counter);
                    }
                }
            }
        }
    }

    #[test]
    fn threads_add_up_to_their_process((at, counted) in on_any_machine()) {
        let (_, machine) = &machine::all()[at];
        let snapshot = reported(machine, Hooks::Exact, &counted);
        for process in snapshot.processes.iter().filter(|process| process.pid.0 != 0) {
            let threads = process.threads.iter().flat_map(|thread| activity!(thread));
            prop_assert_eq!(without_zeros(threads), without_zeros(activity!(process)));
            let threads = process.threads.iter().flat_map(|thread| work(thread.balancer.as_ref()));
            let whole = work(process.balancer.as_ref().map(|balancing| &balancing.work));
            prop_assert_eq!(without_zeros(threads), without_zeros(whole));
        }
    }
}
