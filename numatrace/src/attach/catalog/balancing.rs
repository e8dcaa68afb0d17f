//! Rows about automatic NUMA balancing: the accesses it samples, its cost, the mappings it skips.

use super::{
    cost::{Cost, RunTime},
    names,
    row::{Row, fentry, fexit, tp, unmeasured},
};

/// NUMA hinting faults.
pub(super) const HINT_FAULT: Row = Row {
    hook: names::HINT_FAULT,
    measures: "NUMA hinting faults by thread, its node and the page's node, and the pages they \
               migrated",
    exact: &[&[
        fexit("hint_fault", &["mpol_misplaced"]).with_twin("hint_fault_second"),
        fentry("hint_migrated", &["task_numa_fault"]).with_twin("hint_migrated_second"),
    ]],
    lost: "NUMA hinting faults are not measured: no tracepoint reports them",
    kernels: "6.1 and later with CONFIG_NUMA_BALANCING",
    parks: true,
    cost: unmeasured("at each NUMA hinting fault"),
    ..Row::OPTIONAL
};

/// Time that scans and hinting faults take.
pub(super) const COST: Row = Row {
    hook: names::BALANCER,
    measures: "the cost of NUMA balancing by thread: time of scans and of hinting faults, page \
               table entries changed",
    exact: &[&[
        fentry("balancer_scan_enter", &["task_numa_work"]),
        fexit("balancer_scan_leave", &["task_numa_work"]),
        fexit("balancer_update", &["change_prot_numa"]),
        fentry("balancer_fault_enter", &["mpol_misplaced"]),
        fexit("balancer_fault_leave", &["task_numa_fault"]),
    ]],
    lost: "the cost of NUMA balancing is not measured, so it is not part of the judgement whether \
           balancing helps",
    kernels: "6.1 and later with CONFIG_NUMA_BALANCING",
    cost: Cost {
        exact: RunTime::Unmeasured("a clock read and a map entry at each end"),
        ..unmeasured("twice at each NUMA hinting fault, and at each scan of a thread's memory")
    },
    ..Row::OPTIONAL
};

/// Mappings that a scan passes over.
pub(super) const SKIP: Row = Row {
    hook: names::BALANCER_SKIP,
    measures: "mappings that NUMA balancing skips, and why",
    exact: &[&[tp("balancer_skip", &["sched_skip_vma_numa"])]],
    lost: "mappings that NUMA balancing skips are not measured",
    kernels: "6.7 and later with CONFIG_NUMA_BALANCING; earlier ones have no such tracepoint",
    cost: unmeasured("at each mapping that a scan skips"),
    ..Row::OPTIONAL
};
