//! `thp-remote`: transparent huge pages that threads of several nodes share. A huge page lies on one node, whatever is in it.

use std::cmp::Reverse;

use super::{Diagnosis, Finding, NAMED, Severity, memory, words};
use crate::model::matrix::share;
use crate::model::{Mapping, Process, ProcessKind, Snapshot, number};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "thp-remote",
    check,
};

/// Base pages of two huge pages of 2 MiB.
const ENOUGH: u64 = 1_024;
/// A node uses a mapping when so much of the sampled accesses comes from it.
const USES: f64 = 0.1;
/// So much of them is remote.
const REMOTE: f64 = 0.25;

/// Fewer sampled accesses than this say nothing of who shares it.
const SAMPLED: u64 = 100;

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let mut found: Vec<(u64, &Process, &Mapping)> = snapshot
        .processes
        .iter()
        .filter(|process| process.kind == ProcessKind::User)
        .flat_map(|process| {
            process
                .mappings
                .iter()
                .map(move |mapping| (process, mapping))
        })
        .filter_map(|(process, mapping)| {
            let huge = mapping.first_touch.as_ref()?.thp?;
            let faults = memory::faults(mapping)?;
            let users = faults.by_from();
            let nodes = users.0.iter();
            let nodes = nodes
                .filter(|count| share(**count, faults.total()).is_some_and(|part| part >= USES))
                .count();
            let remote = share(faults.off_diagonal(), faults.total())?;
            (huge >= ENOUGH
                && faults.total() >= SAMPLED
                && huge * 2 >= memory::touched(mapping)
                && nodes > 1
                && remote >= REMOTE)
                .then_some((huge, process, mapping))
        })
        .collect();
    found.sort_by_key(|(huge, process, _)| (Reverse(*huge), process.pid));
    found.truncate(NAMED);
    found
        .into_iter()
        .filter_map(|(huge, process, mapping)| finding(snapshot, process, mapping, huge))
        .collect()
}

fn finding(
    snapshot: &Snapshot,
    process: &Process,
    mapping: &Mapping,
    huge: u64,
) -> Option<Finding> {
    let host = &snapshot.host;
    let who = words::process(process);
    let place = memory::place(host, mapping);
    Some(Finding {
        id: DIAGNOSIS.id.into(),
        severity: Severity::Warning,
        pid: Some(process.pid),
        title: format!(
            "{who} shares huge pages between nodes: {} MiB of {place}",
            number::mib(Some(huge), host.page_size)
        ),
        evidence: vec![
            memory::placed(host, process, mapping),
            memory::used(host, process, mapping)?,
            format!(
                "{} of its pages came as transparent huge pages, each on one node as a whole",
                number::grouped(huge)
            ),
        ],
        fix: "give each thread parts that are multiples of 2 MiB and aligned to it, and let it touch them first; or do without huge pages \
              there: madvise(MADV_NOHUGEPAGE) before the first touch"
            .into(),
    })
}
