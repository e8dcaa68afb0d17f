//! `ran-away-from-memory`: threads were moved to other nodes and ran there, while the memory
//! stayed.

use std::cmp::Reverse;

use super::{Diagnosis, Finding, Severity, away, moving, words};
use crate::model::matrix::share;
use crate::model::{PerNode, Process, Snapshot, TaskMoves, number};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "ran-away-from-memory",
    check,
};

/// Least share of the memory on the home node: with less, threads belong on other nodes too.
const AT_HOME: f64 = 0.6;

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let movers = moving::most(snapshot, |process, moves| {
        let away = process.away_ns?;
        let ran = process.run_ns.as_ref()?.total();
        // Threads that are bound apart did not run away: `affinity-split` reports them.
        let moved = moves.cross_node? > 0 && away::bound_apart(snapshot, process).is_none();
        let home = words::home(&snapshot.host, process)?;
        let is_home = share(away::at_home(process, home), away::pages(process))? >= AT_HOME;
        let left = moved && is_home && away::has_memory(process) && away::is_long(away, ran);
        left.then_some(away)
    });
    movers
        .into_iter()
        .filter_map(|(away, process, moves)| finding(snapshot, process, moves, away))
        .collect()
}

fn finding(
    snapshot: &Snapshot,
    process: &Process,
    moves: &TaskMoves,
    away: u64,
) -> Option<Finding> {
    let host = &snapshot.host;
    let home = words::home(host, process)?;
    let run = process.run_ns.as_ref()?;
    let there = elsewhere(run, home)?;
    let (here, list, away_list) = (
        words::nodes(host, [home]),
        words::node_list(host, [home]),
        words::node_list(host, [there]),
    );
    let mut evidence = vec![
        format!(
            "{} s of its {} s of CPU time ({}) were away from {here}",
            number::seconds(Some(away)),
            number::seconds(Some(run.total())),
            number::percent_sign(share(away, run.total())),
        ),
        words::at_home(host, process, home),
        format!(
            "{} moves between nodes: {}",
            number::count(moves.cross_node),
            moving::reasons(moves)
        ),
    ];
    let worst = process
        .threads
        .iter()
        .filter_map(|thread| Some((thread.away_ns?, thread)))
        .max_by_key(|(away, thread)| (*away, Reverse(thread.tid)));
    if let Some((away, thread)) = worst.filter(|_| process.threads.len() > 1) {
        evidence.push(format!(
            "longest away: thread {} ({}), {} s",
            thread.tid,
            thread.comm.to_utf8(),
            number::seconds(Some(away))
        ));
    }
    let command = words::command(snapshot, process);
    Some(Finding {
        id: DIAGNOSIS.id.into(),
        severity: Severity::Warning,
        pid: Some(process.pid),
        title: format!("{} left its memory on {here}", words::process(process)),
        evidence,
        fix: format!(
            "keep it on the node of its memory: \
             numactl --cpunodebind={list} --membind={list} {command}; \
             or move the memory once: migratepages {} {list} {away_list}",
            process.pid
        ),
    })
}

/// Returns the position of the node with most CPU time, other than the home node.
fn elsewhere(run: &PerNode, home: usize) -> Option<usize> {
    run.0
        .iter()
        .enumerate()
        .filter(|(position, _)| *position != home)
        .max_by_key(|(position, ns)| (**ns, Reverse(*position)))
        .map(|(position, _)| position)
}
