//! `balancer-hurting`: NUMA balancing costs more than it gains, or moves pages back and forth.

use std::cmp::Reverse;

use super::fix::{self, Fix, Memory, Place};
use super::{Diagnosis, Finding, NAMED, Severity, memory, words};
use crate::model::{BalancerVerdict, Balancing, Process, Snapshot, number};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "balancer-hurting",
    check,
};

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let mut hurt: Vec<(u64, &Process, &Balancing)> = snapshot
        .processes
        .iter()
        .filter_map(|process| {
            let balancing = process.balancer.as_ref()?;
            let hurts = balancing.verdict == Some(BalancerVerdict::Hurting);
            hurts.then(|| (balancing.work.time_ns().unwrap_or(0), process, balancing))
        })
        .collect();
    hurt.sort_by_key(|(cost, process, _)| (Reverse(*cost), process.pid));
    hurt.truncate(NAMED);
    hurt.into_iter()
        .map(|(_, process, balancing)| finding(snapshot, process, balancing))
        .collect()
}

fn finding(snapshot: &Snapshot, process: &Process, balancing: &Balancing) -> Finding {
    let host = &snapshot.host;
    let mut evidence = balancing.evidence.clone();
    let bouncing = process
        .mappings
        .iter()
        .filter_map(|mapping| {
            let bounced = mapping.page_migrations.as_ref()?.bounced;
            (bounced > 0).then_some((bounced, mapping))
        })
        .max_by_key(|(bounced, mapping)| (*bounced, Reverse(mapping.start)));
    if let Some((bounced, mapping)) = bouncing {
        evidence.push(format!(
            "most moved back: {} MiB of {} at {:#x}",
            number::mib(Some(bounced), host.page_size),
            mapping.name.to_utf8(),
            mapping.start.0
        ));
        evidence.extend(memory::from_stack(snapshot, mapping));
    }
    let home = words::home(host, process);
    let bound = home.map(|home| {
        let text = "bind it, then balancing leaves it alone";
        fix::start(snapshot, process, &Place::on([home]), text)
    });
    let spread = fix::start(
        snapshot,
        process,
        &Place::memory(Memory::InterleaveAll),
        "interleave memory that all nodes use",
    );
    let mut fixes: Vec<Fix> = bound.into_iter().flatten().chain(spread).collect();
    fixes.push(Fix::balancing_off("switch balancing off and compare"));
    Finding::new(
        DIAGNOSIS.id,
        Severity::Warning,
        Some(process.pid),
        format!(
            "NUMA balancing costs {} more than it gains",
            words::process(process)
        ),
        evidence,
        fixes,
    )
}
