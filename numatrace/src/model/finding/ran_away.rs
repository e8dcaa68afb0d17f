//! `ran-away-from-memory`: threads run on other nodes than the memory of their process. They were
//! moved, are bound there, or the memory has been elsewhere since before the session.

use std::cmp::Reverse;

use super::fix::{self, Fix, FixKind, Place};
use super::{Diagnosis, Finding, NAMED, away, first_touch_elsewhere, moving, words};
use crate::ids::NodeId;
use crate::model::matrix::share;
use crate::model::{Process, ProcessKind, Snapshot, TaskMoves, number};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "ran-away-from-memory",
    check,
};

/// How a process came to run elsewhere.
enum Why<'a> {
    /// Threads were moved to other nodes in the session.
    Moved(&'a TaskMoves),
    /// The main thread may run on the CPUs of these nodes only, none of them the home node.
    Bound(&'a [NodeId]),
    /// The memory was there when the session began, and nothing has moved since.
    Settled,
    /// The memory came in the session: a policy or someone else placed it.
    Placed,
}

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let programs = snapshot.processes.iter();
    let programs = programs.filter(|process| process.kind == ProcessKind::User);
    let mut concerned: Vec<(u64, &Process, usize)> = programs
        .filter_map(|process| {
            let away = process.away_ns?;
            let ran = process.run_ns.as_ref()?.total();
            let home = snapshot.host.position(process.home_node?)?;
            let is_home = away::is_at_home(process, home);
            let is_away = is_home && away::has_memory(process) && away::is_long(away, ran);
            // Without a move, memory of before the session must have been looked at: a thread can
            // work on memory that it has not touched in the session. Threads that are bound apart
            // did not run away: `affinity-split` reports them.
            let known = moves(process).is_some() || process.resident().is_some();
            let apart = away::bound_apart(snapshot, process).is_some();
            // Threads that others touched their memory for did not leave it.
            let for_others = first_touch_elsewhere::speaks_by_time(snapshot, process);
            (is_away && known && !apart && !for_others).then_some((away, process, home))
        })
        .collect();
    concerned.sort_by_key(|(away, process, _)| (Reverse(*away), process.pid));
    concerned.truncate(NAMED);
    concerned
        .into_iter()
        .filter_map(|(away, process, home)| finding(snapshot, process, home, away))
        .collect()
}

/// Returns the moves of a process whose threads were moved between nodes, when those that moved ran
/// for half of the time away or more: the odd thread that wakes up elsewhere explains nothing.
fn moves(process: &Process) -> Option<&TaskMoves> {
    let crossed = |moves: Option<&TaskMoves>| {
        moves
            .and_then(|moves| moves.cross_node)
            .is_some_and(|moves| moves > 0)
    };
    let moves = process
        .task_moves
        .as_ref()
        .filter(|moves| crossed(Some(moves)))?;
    let known = process.threads.iter();
    let mut known = known.filter_map(|thread| Some((thread.task_moves.as_ref()?, thread.away_ns?)));
    let away: u64 = process.away_ns.unwrap_or(0);
    let of_movers: u64 = known
        .clone()
        .filter(|(moves, _)| crossed(Some(moves)))
        .map(|(_, away)| away)
        .sum();
    let explains = known.next().is_none() || of_movers.saturating_mul(2) >= away;
    explains.then_some(moves)
}

fn why<'a>(snapshot: &Snapshot, process: &'a Process, home: usize) -> Why<'a> {
    if let Some(moves) = moves(process) {
        return Why::Moved(moves);
    }
    let residency = process.residency.as_ref();
    let allowed = residency.and_then(|seen| seen.nodes_allowed.as_deref());
    let here = snapshot.host.nodes.get(home).map(|node| node.node);
    let elsewhere = |nodes: &&[NodeId]| here.is_some_and(|here| !nodes.contains(&here));
    if let Some(nodes) = allowed.filter(elsewhere) {
        return Why::Bound(nodes);
    }
    let first = residency.and_then(|seen| seen.first.as_ref());
    let was_there = first.is_some_and(|first| {
        let part = share(first.pages.at(home), first.pages.total());
        part.is_some_and(|part| part >= away::AT_HOME)
    });
    let began_before = snapshot
        .session
        .began_ns
        .is_some_and(|began_ns| process.start_ns < began_ns);
    if was_there && began_before {
        Why::Settled
    } else {
        Why::Placed
    }
}

fn finding(snapshot: &Snapshot, process: &Process, home: usize, away: u64) -> Option<Finding> {
    let host = &snapshot.host;
    let run = process.run_ns.as_ref()?;
    let there = away::mostly_elsewhere(run, home)?;
    let (here, elsewhere) = (words::nodes(host, [home]), words::nodes(host, [there]));
    let who = words::process(process);
    let why = why(snapshot, process, home);
    let mib = number::mib(Some(away::at_home(process, home)), host.page_size);
    let title = match &why {
        Why::Moved(_) => format!("{who} left {mib} MiB of its memory on {here}"),
        Why::Bound(nodes) => format!(
            "{who} is bound to {}, and {mib} MiB of its memory are on {here}",
            words::nodes(host, nodes.iter().filter_map(|node| host.position(*node)))
        ),
        Why::Settled => format!(
            "{who} runs on {elsewhere}; {mib} MiB of its memory have been on {here} since before \
             the session"
        ),
        Why::Placed => {
            format!("{who} runs on {elsewhere}, and {mib} MiB of its memory are on {here}")
        }
    };
    let mut evidence = vec![
        format!(
            "{} s of its {} s of CPU time ({}) were away from {here}",
            number::seconds(Some(away)),
            number::seconds(Some(run.total())),
            number::percent_sign(share(away, run.total())),
        ),
        words::at_home(host, process, home),
    ];
    evidence.extend(looked_at(snapshot, process, home));
    match &why {
        Why::Moved(moves) => evidence.push(format!(
            "{} between nodes: {}",
            number::plural(moves.cross_node.unwrap_or(0), "move"),
            moving::reasons(moves)
        )),
        _ => match process
            .task_moves
            .as_ref()
            .and_then(|moves| moves.cross_node)
        {
            Some(0) => {
                evidence.push("no thread of it moved between nodes in the session".to_owned());
            }
            Some(moves) => evidence.push(format!(
                "{} between nodes, of threads that ran little",
                number::plural(moves, "move")
            )),
            None => {}
        },
    }
    if host.numa_balancing == Some(0) {
        evidence.push(
            "NUMA balancing is off (kernel.numa_balancing=0): nothing brings them together"
                .to_owned(),
        );
    }
    evidence.extend(longest_away(process));
    Some(Finding::new(
        DIAGNOSIS.id,
        away::severity(snapshot, process),
        Some(process.pid),
        title,
        evidence,
        fixes(snapshot, process, (home, there), &why),
    ))
}

/// Says when the memory was looked at, and where it was at the first reading if that differs.
fn looked_at(snapshot: &Snapshot, process: &Process, home: usize) -> Option<String> {
    let residency = process.residency.as_ref()?;
    let (first, last) = (residency.first.as_ref()?, residency.last.as_ref()?);
    let began_ns = snapshot.session.began_ns?;
    let after = |at_ns: u64| number::brief(at_ns.saturating_sub(began_ns));
    let mib = |pages| number::mib(Some(pages), snapshot.host.page_size);
    Some(format!(
        "on {}: {} MiB {} after the session began, {} MiB {} after it began",
        words::nodes(&snapshot.host, [home]),
        mib(first.pages.at(home)),
        after(first.at_ns),
        mib(last.pages.at(home)),
        after(last.at_ns),
    ))
}

fn longest_away(process: &Process) -> Option<String> {
    let threads = process.threads.iter();
    let (away, thread) = threads
        .filter_map(|thread| Some((thread.away_ns?, thread)))
        .max_by_key(|(away, thread)| (*away, Reverse(thread.tid)))
        .filter(|_| process.threads.len() > 1)?;
    Some(format!(
        "longest away: thread {} ({}), {} s",
        thread.tid,
        thread.comm.to_utf8(),
        number::seconds(Some(away))
    ))
}

fn fixes(
    snapshot: &Snapshot,
    process: &Process,
    (home, there): (usize, usize),
    why: &Why<'_>,
) -> Vec<Fix> {
    let place = Place::on([home]);
    let keep = |text: &str| fix::start(snapshot, process, &place, text);
    let bring = |text: &str| fix::move_pages(&snapshot.host, process, (&[home], there), text);
    match why {
        Why::Moved(_) => {
            let mut fixes = keep("keep it on the node of its memory");
            fixes.extend(bring("move the memory once"));
            fixes
        }
        _ => {
            let mut fixes: Vec<Fix> = bring("bring the memory to the threads")
                .into_iter()
                .chain(keep("run it where its memory is"))
                .collect();
            // Nobody saw who bound it: that was before the session.
            if matches!(why, Why::Bound(_)) {
                fixes.push(Fix::advice(
                    FixKind::Unbind,
                    words::process(process),
                    "if it binds itself (sched_setaffinity), change that call: options at its \
                     start do not",
                ));
            }
            fixes
        }
    }
}
