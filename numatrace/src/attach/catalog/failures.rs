//! Rows of the hook table for what fails: kills, searches for memory, allocations, huge pages,
//! refused calls. All are seldom, and none is passed by an allocation, a fault or a switch that
//! succeeds.

use super::{
    cost::{Cost, RunTime},
    names,
    row::{Probe, Row, fentry, fexit, tp, unmeasured},
};

/// The tracepoints of [`RECLAIM`], on which both of its forms rest.
const SEARCHES: [Probe; 6] = [
    tp("direct_reclaim_begin", &["mm_vmscan_direct_reclaim_begin"]),
    tp("direct_reclaim_end", &["mm_vmscan_direct_reclaim_end"]),
    tp("node_reclaim_begin", &["mm_vmscan_node_reclaim_begin"]),
    tp("node_reclaim_end", &["mm_vmscan_node_reclaim_end"]),
    tp("compaction_begin", &["mm_compaction_begin"]),
    tp("compaction_end", &["mm_compaction_end"]),
];

/// Kills.
pub(super) const OOM: Row = Row {
    hook: names::OOM_KILL,
    measures: "processes killed because memory is short, with the limit that made it short (memory \
               policy, cpuset, cgroup, none), its nodes, and the free memory of each node",
    exact: &[&[
        tp("oom_kill", &["mark_victim"]),
        fentry("oom_kill_enter", &["oom_kill_process"]),
        fexit("oom_kill_leave", &["oom_kill_process"]),
    ]],
    fallback: &[tp("oom_kill", &["mark_victim"])],
    lost_on_fallback: "the limit that made memory short is not known, and free memory is read \
                       after the kill",
    lost: "OOM kills are not seen",
    cost: Cost {
        fires: "when the kernel kills a process for its memory",
        exact: RunTime::Unmeasured(""),
        fallback: RunTime::Unmeasured(""),
    },
    ..Row::OPTIONAL
};

/// Searches for memory.
pub(super) const RECLAIM: Row = Row {
    hook: names::DIRECT_RECLAIM,
    measures: "direct reclaim, reclaim by vm.zone_reclaim_mode and direct compaction by thread: \
               times, duration, pages, and the nodes that a policy or cpuset confines it to",
    exact: &[&[
        SEARCHES[0],
        SEARCHES[1],
        SEARCHES[2],
        SEARCHES[3],
        SEARCHES[4],
        SEARCHES[5],
        fentry("direct_reclaim_enter", &["try_to_free_pages"]),
    ]],
    fallback: &SEARCHES,
    lost_on_fallback: "memory policies of single mappings (mbind(2)) are not seen to confine it",
    lost: "direct reclaim and compaction are not measured",
    kernels: "6.1 and later; the tracepoints' arguments changed in 7.1",
    cost: Cost {
        fires: "when an allocation has to look for memory itself",
        exact: RunTime::Unmeasured(""),
        fallback: RunTime::Unmeasured(""),
    },
    ..Row::OPTIONAL
};

/// Failed allocations.
pub(super) const ALLOC: Row = Row {
    hook: names::ALLOC_FAILED,
    measures: "page allocations that fail for good and that the kernel warns of, with the kernel \
               stack; its warnings are at most ten in five seconds",
    exact: &[&[
        fentry("alloc_failed", &["cpuset_print_current_mems_allowed"]),
        fentry("alloc_failed_kill_enter", &["oom_kill_process"]),
        fexit("alloc_failed_kill_leave", &["oom_kill_process"]),
    ]],
    lost: "failed allocations are not seen",
    kernels: "6.1 and later with CONFIG_CPUSETS",
    cost: unmeasured("when the kernel prints a warning of a failed allocation"),
    ..Row::OPTIONAL
};

/// Huge pages that a pool cannot give.
pub(super) const HUGETLB: Row = Row {
    hook: names::HUGETLB_FAILED,
    measures: "hugetlb faults that find the pool empty (SIGBUS) and mappings whose reservation \
               fails (ENOMEM), with page size, policy and nodes",
    exact: &[&[
        fexit("hugetlb_failed_reserve", &["hugetlb_reserve_pages"]),
        fexit(
            "hugetlb_failed_fault",
            &["alloc_hugetlb_folio", "alloc_huge_page"],
        )
        .riding_on("page_fault_hugetlb"),
    ]],
    lost: "empty huge page pools are not seen",
    kernels: "6.1 and later with CONFIG_HUGETLBFS; the reservation returns a number from 6.17 on",
    cost: unmeasured("when huge pages are mapped; at a fault that fails"),
    ..Row::OPTIONAL
};

/// Refused calls.
pub(super) const POLICY: Row = Row {
    hook: names::POLICY_REFUSED,
    measures: "mbind(2), set_mempolicy(2), set_mempolicy_home_node(2), move_pages(2), \
               migrate_pages(2) and sched_setaffinity(2) that fail, with error, arguments and user \
               stack",
    exact: &[
        &[
            POLICY_CALLS[0],
            POLICY_CALLS[1],
            POLICY_CALLS[2],
            POLICY_CALLS[3],
            POLICY_CALLS[4],
            fexit(
                "policy_refused_home",
                &["__x64_sys_set_mempolicy_home_node"],
            ),
        ],
        &POLICY_CALLS,
    ],
    lost: "refused memory policy and affinity calls are not seen",
    kernels: "6.1 and later; set_mempolicy_home_node(2) on x86 only",
    cost: unmeasured("at each of these calls; writes when it fails"),
    ..Row::OPTIONAL
};

/// Calls that a seccomp filter refuses.
pub(super) const SECCOMP: Row = Row {
    hook: names::POLICY_SECCOMP,
    measures: "the same calls where a seccomp filter refuses them, with error, arguments and user \
               stack; on request only (`--hooks +policy_seccomp`)",
    exact: &[&[fexit("policy_refused_seccomp", &["__seccomp_filter"])]],
    lost: "memory policy and affinity calls that a seccomp filter refuses are not seen",
    kernels: "6.1 and later, x86-64",
    cost: unmeasured("at every system call of a task with a seccomp filter"),
    needs: &[names::POLICY_REFUSED],
    on_request: true,
    ..Row::OPTIONAL
};

/// The calls that have a function of their own on every architecture.
const POLICY_CALLS: [Probe; 5] = [
    fexit("policy_refused_mbind", &["kernel_mbind"]),
    fexit("policy_refused_set", &["kernel_set_mempolicy"]),
    fexit("policy_refused_move_pages", &["kernel_move_pages"]),
    fexit("policy_refused_migrate_pages", &["kernel_migrate_pages"]),
    fexit("policy_refused_affinity", &["sched_setaffinity"]),
];
