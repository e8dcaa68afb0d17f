//! `node-full-fallback`: a node had no page to give, and other nodes served requests for it.

use std::cmp::Reverse;

use super::{Diagnosis, Finding, NAMED, Severity, WORTH_REPORTING, words};
use crate::model::matrix::share;
use crate::model::{Alloc, Process, ProcessKind, Snapshot, number};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "node-full-fallback",
    check,
};

/// Least share of the requests for a node: below it, reclaim works normally.
const SHARE: f64 = 0.01;

/// Share of the requests for a node from which the finding is critical.
const MOST: f64 = 0.5;

/// Share of the misses from which one process gets the finding.
const ITS_OWN: f64 = 0.5;

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let Some(total) = snapshot.alloc_total() else {
        return Vec::new();
    };
    let (Some(foreign), Some(hit)) = (&total.numa_foreign, &total.numa_hit) else {
        return Vec::new();
    };
    let mut full: Vec<(u64, usize, f64)> = foreign
        .0
        .iter()
        .enumerate()
        .filter(|(_, turned_away)| **turned_away >= WORTH_REPORTING)
        .filter_map(|(position, turned_away)| {
            let wanted = hit.at(position).saturating_add(*turned_away);
            let part = share(*turned_away, wanted).filter(|part| *part >= SHARE)?;
            Some((*turned_away, position, part))
        })
        .collect();
    full.sort_by_key(|(turned_away, position, _)| (Reverse(*turned_away), *position));
    full.truncate(NAMED);
    full.into_iter()
        .filter_map(|(turned_away, position, part)| {
            finding(snapshot, &total, position, turned_away, part)
        })
        .collect()
}

fn finding(
    snapshot: &Snapshot,
    total: &Alloc,
    position: usize,
    turned_away: u64,
    part: f64,
) -> Option<Finding> {
    let host = &snapshot.host;
    let full = words::nodes(host, [position]);
    let served = total.numa_miss.as_ref()?;
    let by: Vec<usize> = (0..host.nodes.len())
        .filter(|node| *node != position && served.at(*node) > 0)
        .collect();
    let mut evidence = vec![format!(
        "{} of {} requests for {full} ({}) were served by other nodes (numa_foreign)",
        number::grouped(turned_away),
        number::grouped(
            total
                .numa_hit
                .as_ref()?
                .at(position)
                .saturating_add(turned_away)
        ),
        number::percent_sign(Some(part)),
    )];
    if !by.is_empty() {
        let who: Vec<String> = by
            .iter()
            .take(NAMED)
            .map(|node| {
                format!(
                    "{} by {}",
                    number::grouped(served.at(*node)),
                    words::nodes(host, [*node])
                )
            })
            .collect();
        evidence.push(format!("served: {} (numa_miss)", who.join(", ")));
    }
    let victims = victims(snapshot, position);
    if !victims.is_empty() {
        let who: Vec<String> = victims
            .iter()
            .take(3)
            .map(|(count, process)| {
                format!("{} {}", words::process(process), number::grouped(*count))
            })
            .collect();
        evidence.push(format!("requested by: {}", who.join(", ")));
    }

    let main = victims
        .first()
        .filter(|(count, _)| share(*count, turned_away).is_some_and(|part| part >= ITS_OWN));
    let main = main.map(|(_, process)| *process);
    let command = main.map_or_else(
        || "COMMAND".to_owned(),
        |process| words::command(snapshot, process),
    );
    let full_number = words::node_list(host, [position]);
    let spare = words::node_list(host, by.iter().copied());
    let elsewhere = if by.len() == 1 {
        format!(
            "start it on the node that has room: \
             numactl --cpunodebind={spare} --membind={spare} {command}; or "
        )
    } else {
        String::new()
    };
    let fix = format!(
        "{elsewhere}spread it: numactl --interleave={all} {command}. \
         To see what fills {full}: numatrace stat -m; removing files frees their page cache, and \
         this moves memory of other processes: migratepages PID {full_number} {target}",
        all = words::node_list(host, words::with_memory(host)),
        target = if spare.is_empty() { "NODE" } else { &spare },
    );
    Some(Finding {
        id: DIAGNOSIS.id.into(),
        severity: if part >= MOST {
            Severity::Critical
        } else {
            Severity::Warning
        },
        pid: main.map(|process| process.pid),
        title: format!("{full} was full: other nodes served requests for it"),
        evidence,
        fix,
    })
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
