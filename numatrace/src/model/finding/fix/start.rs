//! Starting a program differently: the options of numactl(8) that it needs, instead of those that
//! it had.

use super::own::{self, OwnBinds};
use super::place::{Memory, Place};
use super::{Fix, FixKind, cgroup, cpus, program, shell};
use crate::model::finding::words;
use crate::model::{Name, Process, Snapshot};

/// Returns the fix that starts a program at a place; `None` when no node has what it needs. The
/// program replaces the one of a finding about the whole machine by a placeholder.
pub fn run(
    snapshot: &Snapshot,
    process: Option<&Process>,
    place: &Place,
    text: &str,
) -> Option<Fix> {
    let host = &snapshot.host;
    let place = place.possible(host)?;
    let program = program::of(snapshot, process);
    let before = program.prefix;
    let (cpus, memory) = place.options(host);
    let or_before = |now: Option<String>, before: Vec<Name>| match now {
        Some(now) => Some(vec![Name::from(now)]),
        None => (!before.is_empty()).then_some(before),
    };
    let all = before.all.then(|| Name::from("--all"));
    let kept: Vec<Name> = [
        or_before(cpus, before.cpus),
        or_before(memory, before.memory),
    ]
    .into_iter()
    .flatten()
    .flatten()
    .collect();
    let start = Name::from("numactl");
    let options = shell::line(std::iter::once(&start).chain(&all).chain(&kept))?;
    let note = noted(&program.note);
    Some(
        Fix::advice(
            FixKind::RunCommand,
            target(process),
            format!("{text}{note}"),
        )
        .with(format!("{options} {}", program.line))
        .expecting(place.expect(host)),
    )
}

/// Returns the fix that starts a program on some CPUs, named as a list of ranges. The memory that
/// it was started with stays.
pub fn on_cpus(snapshot: &Snapshot, process: Option<&Process>, cpus: &str, text: &str) -> Fix {
    let program = program::of(snapshot, process);
    let start = Name::from("numactl");
    let kept = &program.prefix.memory;
    let words = std::iter::once(&start).chain(kept);
    let kept = (!kept.is_empty())
        .then(|| shell::line(words))
        .flatten()
        .map_or_else(String::new, |kept| format!("{kept} "));
    let note = noted(&program.note);
    Fix::advice(
        FixKind::RunCommand,
        target(process),
        format!("{text}{note}"),
    )
    .with(format!("taskset -c {cpus} {kept}{}", program.line))
}

/// Returns the note about placeholders in parentheses.
fn noted(note: &str) -> String {
    match note {
        "" => String::new(),
        note => format!(" ({note})"),
    }
}

/// Names a process that is to be started differently.
fn target(process: Option<&Process>) -> String {
    process.map_or_else(|| "COMMAND".to_owned(), words::process)
}

/// Returns the ways to have a process at a place: started there, or put there by the service or the
/// container that it is in. A program that places itself is not changed by how it is started: then
/// the call is named.
pub fn start(snapshot: &Snapshot, process: &Process, place: &Place, text: &str) -> Vec<Fix> {
    starts(snapshot, process, &[(place, text)])
}

/// Returns the ways to have a process at any of some places. A call that is in the way of several
/// is named once.
pub fn starts(snapshot: &Snapshot, process: &Process, choices: &[(&Place, &str)]) -> Vec<Fix> {
    let mut fixes = Vec::new();
    let mut named: Vec<OwnBinds<'_>> = Vec::new();
    for (place, text) in choices {
        let own = OwnBinds::against(snapshot, process, place);
        if own.is_empty() {
            fixes.extend(run(snapshot, Some(process), place, text));
        } else if !named.contains(&own) {
            named.push(own);
            let same = choices.iter().map(|(place, _)| *place);
            let same = same.filter(|place| OwnBinds::against(snapshot, process, place) == own);
            let places: Vec<&Place> = same.collect();
            fixes.extend(own::unbind(&snapshot.host, process, &own, &places));
        }
        fixes.extend(group(snapshot, process, place));
    }
    fixes
}

/// Returns the fix by the service or container of a process, for places that are nodes.
pub fn group(snapshot: &Snapshot, process: &Process, place: &Place) -> Option<Fix> {
    let host = &snapshot.host;
    let place = place.possible(host)?;
    let Some(Memory::Bind(nodes)) = &place.memory else {
        return None;
    };
    let cpus = cpus(host, &place.cpus);
    let nodes = words::node_list(host, nodes.iter().copied());
    if cpus.is_empty() || nodes.is_empty() {
        return None;
    }
    cgroup::fix(process, Some(&cpus), &nodes, place.expect(host))
}

/// Returns the fix that lets the service or container of a process take memory from all nodes.
pub fn widen(snapshot: &Snapshot, process: &Process) -> Option<Fix> {
    let host = &snapshot.host;
    let nodes = words::node_list(host, words::ordinary(host));
    let expect = "it takes memory from all nodes".to_owned();
    (!nodes.is_empty())
        .then(|| cgroup::fix(process, None, &nodes, expect))
        .flatten()
}
