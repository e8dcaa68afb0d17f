//! `migration-failures`: many pages could not be migrated.

use super::fix::{Fix, FixKind};
use super::{Diagnosis, Finding, Severity, WORTH_REPORTING, words};
use crate::model::matrix::share;
use crate::model::{Process, Snapshot, number};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "migration-failures",
    check,
};

/// Least share of the pages in migrations.
const SHARE: f64 = 0.1;

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let Some(all) = snapshot
        .system
        .as_ref()
        .and_then(|system| system.page_migrations.as_ref())
    else {
        return Vec::new();
    };
    let (Some(failed), Some(matrix)) = (all.failed, all.matrix.as_ref()) else {
        return Vec::new();
    };
    let tried = failed.saturating_add(matrix.total());
    let part = share(failed, tried);
    if failed < WORTH_REPORTING || part.is_none_or(|part| part < SHARE) {
        return Vec::new();
    }
    let failed_by = |process: &Process| process.page_migrations.as_ref()?.failed;
    let most = snapshot
        .processes
        .iter()
        .filter_map(|process| Some((failed_by(process)?, process)))
        .max_by_key(|(failed, process)| (*failed, std::cmp::Reverse(process.pid)));
    let mut evidence = vec![format!(
        "{} of {} pages could not be migrated ({})",
        number::grouped(failed),
        number::grouped(tried),
        number::percent_sign(part),
    )];
    if let Some(causes) = all.failed_by_cause {
        evidence.push(format!(
            "busy (pinned or under I/O): {}; for other reasons: {}",
            number::grouped(causes.busy),
            number::grouped(causes.other)
        ));
    }
    if let Some((count, asker)) = most.filter(|(count, _)| *count > 0) {
        evidence.push(format!(
            "{} requested {} of them",
            words::process(asker),
            number::grouped(count)
        ));
    }
    let fixes = [
        Fix::advice(
            FixKind::Program,
            "programs that pin memory",
            "pages under I/O and pages pinned by a device or the kernel (RDMA, VFIO, io_uring \
             buffers) cannot move: place them before they are pinned (numactl --membind)",
        )
        .expecting("they need not move"),
        Fix::look(
            "the target node",
            "to see whether it has free memory",
            "numatrace stat -m",
        ),
    ];
    vec![Finding::new(
        DIAGNOSIS.id,
        Severity::Warning,
        None,
        "pages could not be moved between nodes",
        evidence,
        fixes,
    )]
}
