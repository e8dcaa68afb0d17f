//! Rows about page allocations, and the one that ties them to the kernel's own counters.

use super::{
    cost::{Cost, RunTime},
    names,
    row::{Row, fentry, fexit, tp, unmeasured},
};

/// Allocations one by one.
pub(super) const SINGLE: Row = Row {
    hook: names::PAGE_ALLOC,
    measures: "page allocations by thread, node and preferred node",
    exact: &[&[
        fexit("page_alloc_exact", &["get_page_from_freelist"]).with_twin("page_alloc_exact_second")
    ]],
    fallback: &[
        tp(names::ALLOC_FALLBACK, &["mm_page_alloc"]).with_twin("page_alloc_fallback_second")
    ],
    lost_on_fallback: "the preferred node is unknown, so numa_hit, numa_miss, numa_foreign and \
                       interleave_hit are not measured; bulk allocations (vmalloc, network page \
                       pools) are missing from local and other",
    lost: "page allocations are not measured",
    required: true,
    accounts: true,
    parks: true,
    cost: Cost {
        fires: "at each page allocation",
        exact: RunTime::Unmeasured("1.5 times the instructions of the fallback"),
        fallback: RunTime::Ns(100),
    },
    ..Row::OPTIONAL
};

const BULK_TARGETS: &[&str] = &["alloc_pages_bulk_noprof", "__alloc_pages_bulk"];

/// Bulk allocations.
pub(super) const BULK: Row = Row {
    hook: names::ALLOC_BULK,
    measures: "bulk allocations: vmalloc, network page pools, pipes",
    exact: &[&[
        fentry("alloc_bulk_enter", BULK_TARGETS).with_twin("alloc_bulk_enter_second"),
        fexit("alloc_bulk", BULK_TARGETS).with_twin("alloc_bulk_second"),
    ]],
    lost: "bulk allocations are missing from numa_hit, local and other: a few percent system-wide",
    kernels: "6.1 and later; renamed in 6.10, one argument less from 6.14 on",
    accounts: true,
    parks: true,
    needs: &[names::PAGE_ALLOC],
    cost: unmeasured("at each bulk allocation"),
    ..Row::OPTIONAL
};

/// The policy behind an allocation.
pub(super) const POLICY: Row = Row {
    hook: names::ALLOC_POLICY,
    measures: "interleave_hit, and which remote allocations a memory policy asked for",
    exact: &[
        &[fexit(
            "alloc_policy",
            &["alloc_pages_mpol", "alloc_pages_mpol_noprof"],
        )
        .with_twin("alloc_policy_second")],
        &[
            fexit("alloc_interleave", &["alloc_page_interleave"]),
            fexit("alloc_policy_task", &["alloc_pages"]),
            fexit("alloc_policy_vma", &["vma_alloc_folio"]),
        ],
    ],
    lost: "interleave_hit is not measured, and remote allocations by policy have no cause",
    kernels: "6.1 and later; one function from 6.7 on, three before",
    accounts: true,
    parks: true,
    needs: &[names::PAGE_ALLOC],
    cost: unmeasured("at each allocation under a memory policy, including the default policy"),
    ..Row::OPTIONAL
};

/// The instant at which the kernel folds its counters.
pub(super) const NUMASTAT_FOLD: Row = Row {
    hook: names::NUMASTAT_FOLD,
    measures: "the instant at which the kernel sums its numastat counters",
    exact: &[&[fentry("numastat_fold", &["fold_vm_numa_events"])]],
    lost: "totals and numastat are read a few microseconds apart, so small residuals are expected",
    accounts: true,
    needs: &[names::PAGE_ALLOC],
    cost: unmeasured("when any process reads numastat or vmstat"),
    ..Row::OPTIONAL
};
