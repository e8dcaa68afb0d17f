//! `node-full-fallback`: a node had no page to give, and other nodes served requests for it. It was
//! full, or its free memory was in pieces; the title says which, as far as somebody looked.

mod state;

use std::cmp::Reverse;

use self::state::{Looked, State, huge_kb};
use super::fix::{self, Fix, FixKind, Memory, Place};
use super::{Diagnosis, Finding, NAMED, Severity, WORTH_REPORTING, memory, words};
use crate::model::matrix::share;
use crate::model::{Alloc, Host, PerNode, Process, ProcessKind, Snapshot, number};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "node-full-fallback",
    check,
};

/// Least share of the requests for a node: below it, reclaim works normally.
const SHARE: f64 = 0.01;

/// Share of the requests for a node from which the finding is critical.
const MOST: f64 = 0.5;

/// The command that lists nodes.
const TOPOLOGY: &str = "numatrace topology";

/// Share of the misses from which one process gets the finding.
const ITS_OWN: f64 = 0.5;

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let Some(total) = snapshot.alloc_total() else {
        return Vec::new();
    };
    let (Some(foreign), Some(hit)) = (&total.numa_foreign, &total.numa_hit) else {
        return Vec::new();
    };
    let mut short: Vec<(u64, usize, f64)> = (0..foreign.0.len())
        .filter_map(|position| {
            // In pages where they are known: 32 huge pages are 64 MiB.
            let (turned_away, wanted) = match &total.in_pages {
                Some(pages) => (pages.foreign.at(position), pages.wanted.at(position)),
                None => {
                    let turned_away = foreign.at(position);
                    (turned_away, hit.at(position).saturating_add(turned_away))
                }
            };
            let part = share(turned_away, wanted).filter(|part| *part >= SHARE)?;
            (turned_away >= WORTH_REPORTING).then_some((turned_away, position, part))
        })
        .collect();
    short.sort_by_key(|(turned_away, position, _)| (Reverse(*turned_away), *position));
    short.truncate(NAMED);
    short
        .into_iter()
        .filter_map(|(_, position, part)| finding(snapshot, &total, position, part))
        .collect()
}

fn finding(snapshot: &Snapshot, total: &Alloc, position: usize, part: f64) -> Option<Finding> {
    let host = &snapshot.host;
    let node = words::nodes(host, [position]);
    let turned_away = total.numa_foreign.as_ref()?.at(position);
    let served = total.numa_miss.as_ref()?;
    let by: Vec<usize> = (0..host.nodes.len())
        .filter(|node| *node != position && served.at(*node) > 0)
        .collect();
    let looked = Looked::at(snapshot, total.in_pages.as_ref(), position);
    let mut evidence = turned_away_by(host, total, position, turned_away)?;
    if !by.is_empty() {
        let who = by.iter();
        let who: Vec<_> = who
            .map(|node| (served.at(*node), words::nodes(host, [*node])))
            .collect();
        let who = words::counts(&who, NAMED);
        evidence.push(format!("served: {who} (numa_miss)"));
    }
    evidence.extend(looked.evidence());
    let victims = victims(snapshot, position);
    if !victims.is_empty() {
        let who = victims.iter();
        let who: Vec<_> = who
            .map(|(count, process)| (*count, words::process(process)))
            .collect();
        evidence.push(format!("requested: {}", words::counts(&who, NAMED)));
    }

    let main = victims
        .first()
        .filter(|(count, _)| share(*count, turned_away).is_some_and(|part| part >= ITS_OWN));
    let main = main.map(|(_, process)| *process);
    evidence.extend(main.and_then(|process| {
        memory::most_touched(snapshot, process, |mapping| {
            memory::remote_by(mapping, |causes| causes.fallback)
        })
    }));
    let severity = match (looked.state, part >= MOST) {
        (State::Closed, _) => Severity::Info,
        (_, true) => Severity::Critical,
        (_, false) => Severity::Warning,
    };
    Some(Finding::new(
        DIAGNOSIS.id,
        severity,
        main.map(|process| process.pid),
        title(host, total, position, &by, &looked),
        evidence,
        fixes(snapshot, (position, &node), &by, main, &looked),
    ))
}

/// Says which requests for a node other nodes served, in allocations and in memory.
fn turned_away_by(
    host: &Host,
    total: &Alloc,
    position: usize,
    turned_away: u64,
) -> Option<Vec<String>> {
    let node = words::nodes(host, [position]);
    let hit = total.numa_hit.as_ref()?.at(position);
    let wanted = hit.saturating_add(turned_away);
    let mut evidence = vec![format!(
        "{} of {} requests for {node} ({}) were served by other nodes (numa_foreign)",
        number::grouped(turned_away),
        number::grouped(wanted),
        number::percent_sign(share(turned_away, wanted)),
    )];
    if let Some(pages) = &total.in_pages {
        let mib = |of: &PerNode| number::mib(Some(of.at(position)), host.page_size);
        evidence.push(format!(
            "these were {} of {} MiB ({})",
            mib(&pages.foreign),
            mib(&pages.wanted),
            number::percent_sign(share(pages.foreign.at(position), pages.wanted.at(position))),
        ));
    }
    Some(evidence)
}

fn title(host: &Host, total: &Alloc, position: usize, by: &[usize], looked: &Looked<'_>) -> String {
    let node = words::nodes(host, [position]);
    let went = match &total.in_pages {
        Some(pages) if looked.huge => {
            let to = match by {
                [one] => words::nodes(host, [*one]),
                _ => "other nodes".to_owned(),
            };
            format!(
                "{} of {} huge pages went to {to}",
                number::grouped(pages.huge_foreign.at(position)),
                number::grouped(pages.huge_wanted.at(position)),
            )
        }
        _ => "other nodes served requests for it".to_owned(),
    };
    match looked.clause(host, position) {
        Some(clause) => format!("{clause}: {went}"),
        None => format!("{node} could not give what was wanted: {went}"),
    }
}

fn fixes(
    snapshot: &Snapshot,
    (position, node): (usize, &str),
    by: &[usize],
    main: Option<&Process>,
    looked: &Looked<'_>,
) -> Vec<Fix> {
    let host = &snapshot.host;
    if looked.state == State::Closed {
        let widen = main.and_then(|process| fix::widen(snapshot, process));
        let none = Fix::look(
            node,
            "none needed if that is meant; the nodes and their memory",
            TOPOLOGY,
        );
        return widen.into_iter().chain([none]).collect();
    }
    if looked.state == State::Fragmented {
        return in_pieces(host, position, looked.huge);
    }
    // Nobody starts a kernel thread.
    let program = main.filter(|process| process.kind == ProcessKind::User);
    let start = |place: &Place, text: &str| match program {
        Some(process) => fix::start(snapshot, process, place, text),
        None => fix::run(snapshot, None, place, text).into_iter().collect(),
    };
    let mut fixes: Vec<Fix> = Vec::new();
    let all = words::ordinary(host);
    let room: Vec<usize> = by.iter().copied().filter(|at| all.contains(at)).collect();
    if let [spare] = room.as_slice() {
        // Not bound there: it may need more than that node has, too.
        let text = "start it on the node that has room";
        fixes.extend(start(&Place::cpus([*spare]), text));
    }
    // Interleaved memory wants the full node as well, unless its own memory is what fills it.
    if main.is_some_and(|process| fills(host, process, position)) {
        fixes.extend(start(&Place::memory(Memory::Interleave(all)), "spread it"));
    }
    fixes.push(Fix::look(
        node,
        format!("to see what fills {node}"),
        "numatrace stat -m",
    ));
    fixes.push(
        Fix::advice(
            FixKind::MovePages,
            node,
            format!(
                "make room on {node}: removing files frees their page cache, and migratepages \
                 moves the memory of another process"
            ),
        )
        .expecting(format!("{node} has free memory")),
    );
    fixes
}

/// Returns whether a process has half of a node's memory or more.
fn fills(host: &Host, process: &Process, position: usize) -> bool {
    let node = host.nodes.get(position).and_then(|node| node.mem_kb);
    let pages = process.pages().map_or(0, |pages| pages.at(position));
    let its_kb = pages.saturating_mul(host.page_size / 1024);
    node.is_some_and(|node| its_kb.saturating_mul(2) >= node)
}

/// Returns the fixes for a node whose free memory is in pieces.
fn in_pieces(host: &Host, position: usize, huge: bool) -> Vec<Fix> {
    let Some(number) = host.nodes.get(position).map(|node| node.node) else {
        return Vec::new();
    };
    let compact = format!("/sys/devices/system/node/node{number}/compact");
    let mut fixes = vec![
        Fix::advice(
            FixKind::Sysctl,
            compact.as_str(),
            "put its free memory together, before the program starts",
        )
        .with(format!("echo 1 > {compact}"))
        .expecting("it has large blocks, as far as its pages can be moved"),
    ];
    if huge {
        let defrag = "/sys/kernel/mm/transparent_hugepage/defrag";
        let size = number::page_size(huge_kb(host));
        fixes.push(
            Fix::advice(
                FixKind::Sysctl,
                defrag,
                format!("rather small pages of the node than {size} of another"),
            )
            .with(format!("echo defer > {defrag}"))
            .expecting("page faults take huge pages of their own node or small ones"),
        );
    }
    fixes.push(Fix::look(
        "this machine",
        "to see how its free memory is in pieces",
        "numatrace stat --pressure",
    ));
    fixes
}

/// Returns the processes whose requests for a node other nodes served, most first. Only programs
/// and kernel threads: a bucket has no fix.
fn victims(snapshot: &Snapshot, position: usize) -> Vec<(u64, &Process)> {
    let mut victims: Vec<(u64, &Process)> = snapshot
        .processes
        .iter()
        .filter(|process| matches!(process.kind, ProcessKind::User | ProcessKind::Kthread))
        .filter_map(|process| {
            Some((
                process.alloc.as_ref()?.numa_foreign.as_ref()?.at(position),
                process,
            ))
        })
        .filter(|(count, _)| *count > 0)
        .collect();
    victims.sort_by_key(|(count, process)| (Reverse(*count), process.pid));
    victims
}
