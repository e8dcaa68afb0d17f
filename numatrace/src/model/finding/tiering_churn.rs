//! `tiering-churn`: memory that is demoted to slow nodes is promoted again soon after.

use super::fix::{Fix, FixKind};
use super::{Diagnosis, Finding, Severity};
use crate::model::{Snapshot, number};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "tiering-churn",
    check,
};

/// `NUMA_BALANCING_MEMORY_TIERING` of kernel.numa_balancing: hinting faults promote.
const TIERING: i64 = 2;

/// Least pages: fewer (16 MiB of small ones) are noise.
const PAGES: u64 = 4096;

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let by_reason = snapshot
        .system
        .as_ref()
        .and_then(|system| system.page_migrations.as_ref())
        .and_then(|migrations| migrations.by_reason.as_ref());
    let tiering = snapshot
        .host
        .numa_balancing
        .is_some_and(|mode| i64::from(mode) & TIERING != 0);
    let Some(by_reason) = by_reason.filter(|_| tiering) else {
        return Vec::new();
    };
    let of = |reason: &str| by_reason.get(reason).copied().unwrap_or(0);
    let (down, up) = (of("demotion"), of("numa_misplaced"));
    // Both directions of the same magnitude: pages cycle.
    if down.min(up) < PAGES || down.max(up) > down.min(up).saturating_mul(2) {
        return Vec::new();
    }
    vec![Finding::new(
        DIAGNOSIS.id,
        Severity::Warning,
        None,
        "memory cycles between fast and slow nodes",
        vec![format!(
            "{} pages were demoted and {} promoted in the same session",
            number::grouped(down),
            number::grouped(up)
        )],
        [
            Fix::balancing_off("the hot set is larger than fast memory: switch promotion off"),
            Fix::advice(
                FixKind::Sysctl,
                "kernel.numa_balancing_promote_rate_limit_MBps",
                "slow promotion down with kernel.numa_balancing_promote_rate_limit_MBps",
            )
            .expecting("less memory is promoted in a second"),
            Fix::advice(
                FixKind::Machine,
                "memory.low",
                "reserve fast memory for the program that matters (memory.low of its cgroup)",
            )
            .expecting("its memory is not demoted"),
        ],
    )]
}
