//! `ran-away-from-memory`: threads were moved to other nodes and ran there, while the memory stayed.

use super::{Diagnosis, Finding, Severity, affinity_split, moving, words};
use crate::model::matrix::share;
use crate::model::{PerNode, Process, Snapshot, TaskMoves, number};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "ran-away-from-memory",
    check,
};

/// Share of the CPU time away from which on it is told.
const SHARE: f64 = 0.2;

/// And that much of it, ns.
const LONG: u64 = 100_000_000;

/// Share of its memory at home: where as much lies elsewhere, threads belong in both places.
const AT_HOME: f64 = 0.6;

/// Memory worth staying with: 16 MiB of small pages.
pub const PAGES: u64 = 4096;

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let movers = moving::most(snapshot, |process, moves| {
        let away = process.away_ns?;
        let ran = process.run_ns.as_ref()?.total();
        // Whose threads are bound apart did not run away: that is told by its own name.
        let moved = moves.cross_node? > 0 && affinity_split::groups(snapshot, process).is_none();
        let home = words::home(&snapshot.host, process)?;
        let settled = share(at_home(process, home), pages(process))? >= AT_HOME;
        let told = moved && settled && away >= LONG && pages(process) >= PAGES;
        (told && share(away, ran)? >= SHARE).then_some(away)
    });
    movers
        .into_iter()
        .filter_map(|(away, process, moves)| finding(snapshot, process, moves, away))
        .collect()
}

/// Base pages of its memory, as far as the session knows them.
pub fn pages(process: &Process) -> u64 {
    process.pages().map_or(0, |pages| pages.total())
}

/// Those on its home node.
pub fn at_home(process: &Process, home: usize) -> u64 {
    process.pages().map_or(0, |pages| pages.at(home))
}

/// What is known of its memory, behind a number of MiB.
pub fn known_by(process: &Process) -> &'static str {
    if process.resident().is_some() {
        "that it has"
    } else {
        "it touched in the session"
    }
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
    let page_size = host.page_size;
    let mut evidence = vec![
        format!(
            "{} s of its {} s of CPU time ({}) were on other nodes than {here}",
            number::seconds(Some(away)),
            number::seconds(Some(run.total())),
            words::percent(share(away, run.total())),
        ),
        format!(
            "{} MiB of the {} MiB {} lie on {here}",
            number::mib(Some(at_home(process, home)), page_size),
            number::mib(Some(pages(process)), page_size),
            known_by(process)
        ),
        format!(
            "{} cross-node moves: {}",
            number::count(moves.cross_node),
            moving::reasons(moves)
        ),
    ];
    let worst = process
        .threads
        .iter()
        .filter_map(|thread| Some((thread.away_ns?, thread)))
        .max_by_key(|(away, thread)| (*away, std::cmp::Reverse(thread.tid)));
    if let Some((away, thread)) = worst.filter(|_| process.threads.len() > 1) {
        evidence.push(format!(
            "farthest: thread {} ({}), {} s away",
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
        title: format!(
            "{} ran away from its memory on {here}",
            words::process(process)
        ),
        evidence,
        fix: format!(
            "keep it with its memory: numactl --cpunodebind={list} --membind={list} {command}; or take the memory along once: \
             migratepages {} {list} {away_list}",
            process.pid
        ),
    })
}

/// The other node with most time.
fn elsewhere(run: &PerNode, home: usize) -> Option<usize> {
    run.0
        .iter()
        .enumerate()
        .filter(|(position, _)| *position != home)
        .max_by_key(|(position, ns)| (**ns, std::cmp::Reverse(*position)))
        .map(|(position, _)| position)
}
