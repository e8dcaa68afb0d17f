//! `node-full-fallback`: a node had no page to give, and other nodes served what was wanted there.

use std::cmp::Reverse;

use super::{Diagnosis, Finding, NAMED, Severity, WORTH_TELLING, words};
use crate::model::matrix::share;
use crate::model::{Alloc, Process, ProcessKind, Snapshot, number};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "node-full-fallback",
    check,
};

/// Below this share of what was wanted on the node, it is the ordinary breathing of reclaim.
const SHARE: f64 = 0.01;

/// From this share on, most of what was wanted there was not to be had there.
const MOST: f64 = 0.5;

/// A finding is one process's when it has this share of the misses.
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
        .filter(|(_, turned_away)| **turned_away >= WORTH_TELLING)
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
        "{} of {} allocations wanted on {full} ({}) were served elsewhere (numa_foreign)",
        number::grouped(turned_away),
        number::grouped(
            total
                .numa_hit
                .as_ref()?
                .at(position)
                .saturating_add(turned_away)
        ),
        words::percent(Some(part)),
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
        evidence.push(format!("misses were served {} (numa_miss)", who.join(", ")));
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
        evidence.push(format!("turned away: {}", who.join(", ")));
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
            "start it on the node that has room: numactl --cpunodebind={spare} --membind={spare} {command}, or "
        )
    } else {
        String::new()
    };
    let fix = format!(
        "{elsewhere}spread it: numactl --interleave={all} {command}. What fills {full}: numatrace stat -m; \
         page cache there goes with its files, memory of others moves with: migratepages PID {full_number} {target}",
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
        title: format!("{full} was full: what was wanted there was put on other nodes"),
        evidence,
        fix,
    })
}

/// Who was turned away from a node, most first; programs and kernel threads only, a bucket has no fix.
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
