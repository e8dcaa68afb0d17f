//! `balancer-hurting`: NUMA balancing costs more than it gains, or moves pages back and forth.

use std::cmp::Reverse;

use super::{Diagnosis, Finding, NAMED, Severity, words};
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
    }
    let node = words::home_list(host, process);
    let command = words::command(snapshot, process);
    Finding {
        id: DIAGNOSIS.id.into(),
        severity: Severity::Warning,
        pid: Some(process.pid),
        title: format!(
            "NUMA balancing costs {} more than it gains",
            words::process(process)
        ),
        evidence,
        fix: format!(
            "bind it, then balancing leaves it alone: \
             numactl --cpunodebind={node} --membind={node} {command}; \
             interleave memory that all nodes use (numactl --interleave=all); \
             or switch balancing off and compare: sysctl kernel.numa_balancing=0"
        ),
    }
}
