//! `ran-away-from-memory`: threads were moved to other nodes and ran there, while the memory stayed.

use super::{Diagnosis, Finding, Severity, affinity_split, moving, words};
use crate::model::matrix::share;
use crate::model::{Matrix, PerNode, Process, Snapshot, TaskMoves, number};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "ran-away-from-memory",
    check,
};

/// Share of the CPU time away from which on it is told.
const SHARE: f64 = 0.2;

/// And that much of it, ns.
const LONG: u64 = 100_000_000;

/// Share of its memory at home: where as much lies elsewhere, threads belong in both places.
const AT_HOME: f64 = 2.0 / 3.0;

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

/// Base pages that it touched first.
pub fn pages(process: &Process) -> u64 {
    let touched = process.first_touch.as_ref();
    let matrix = touched.and_then(|touched| touched.pages.as_ref());
    matrix.map_or(0, Matrix::total)
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
            "{} MiB of what it touched in the session lie on {here}",
            number::mib(Some(at_home(process, home)), page_size)
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

/// Pages touched first on the home node, or moved there since.
pub fn at_home(process: &Process, home: usize) -> u64 {
    let touched = process.first_touch.as_ref();
    let matrix = touched.and_then(|touched| touched.pages.as_ref());
    let touched = matrix.map_or(0, |matrix| matrix.by_to().at(home));
    let moved = process.page_migrations.as_ref();
    let (came, left) = moved
        .and_then(|moved| moved.matrix.as_ref())
        .map_or((0, 0), |matrix| {
            (matrix.by_to().at(home), matrix.by_from().at(home))
        });
    touched.saturating_add(came).saturating_sub(left)
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
