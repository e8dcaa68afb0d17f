//! Rows about first touches, and about the page cache that faults and system calls fill.

use super::{
    cost::{Cost, RunTime},
    names,
    row::{Row, fentry, fexit, tp, unmeasured},
};

/// User pages that page faults make.
pub(super) const FIRST_TOUCH: Row = Row {
    hook: names::PAGE_FAULT,
    measures: "first touch: which thread faulted in a user page, on which node, in what kind of \
               mapping",
    exact: &[&[
        fentry("page_fault_enter", &["handle_mm_fault"]).with_twin("page_fault_enter_second"),
        fexit("page_fault_leave", &["handle_mm_fault"]).with_twin("page_fault_leave_second"),
        fentry("page_fault_cow", &["do_wp_page"]).with_twin("page_fault_cow_second"),
    ]],
    fallback: &[
        tp("page_fault_address", &["page_fault_user"]),
        tp("page_fault_fallback", &["mm_page_alloc"])
            .with_twin("page_fault_fallback_second")
            .riding_on(names::ALLOC_FALLBACK),
    ],
    lost_on_fallback: "kinds of mappings and copies are unknown, and pages that the kernel touches \
                       for a process (read(2) into fresh memory) are missing",
    lost: "first touches are not measured",
    parks: true,
    needs: &[names::PAGE_ALLOC],
    cost: Cost {
        fires: "at each page fault",
        exact: RunTime::Unmeasured("300 instructions for entry and exit, without the counting"),
        fallback: RunTime::Ns(62),
    },
    ..Row::OPTIONAL
};

/// Pages that hugetlb faults take from their pool.
pub(super) const HUGETLB: Row = Row {
    hook: names::HUGETLB_FAULT,
    measures: "first touch of hugetlb mappings, whose pages come from a pool",
    exact: &[&[fexit(
        "page_fault_hugetlb",
        &["alloc_hugetlb_folio", "alloc_huge_page"],
    )
    .with_twin("page_fault_hugetlb_second")]],
    lost: "first touches of hugetlb mappings are missing",
    kernels: "6.1 and later; renamed in 6.3",
    parks: true,
    needs: &[names::PAGE_FAULT],
    cost: unmeasured("when a page leaves the hugetlb pool"),
    ..Row::OPTIONAL
};

/// Pages that are added to the page cache.
pub(super) const PAGE_CACHE: Row = Row {
    hook: names::PAGE_CACHE,
    measures: "page-cache pages as they are added: who read or wrote which file, and the node of \
               the pages",
    exact: &[&[tp("page_cache_add", &["mm_filemap_add_to_page_cache"])]],
    lost: "fills of the page cache by process and file are not measured",
    cost: unmeasured("when a page or folio of a file is added to the page cache"),
    ..Row::OPTIONAL
};

/// Pages that are added to shared memory.
pub(super) const SHMEM_FILL: Row = Row {
    hook: names::SHMEM_FILL,
    measures: "pages of tmpfs and shared memory as they are added: who wrote which file, and the \
               node of the pages",
    exact: &[&[fexit("shmem_fill", &["shmem_add_to_page_cache"])]],
    lost: "what write(2) and fallocate(2) put into tmpfs and shared memory is not measured by file",
    needs: &[names::PAGE_CACHE],
    cost: unmeasured("when a page or folio is added to tmpfs or shared memory"),
    ..Row::OPTIONAL
};

/// Pages that userfaultfd copies into memory.
pub(super) const USERFAULT: Row = Row {
    hook: names::USERFAULT,
    measures: "first touch of memory that userfaultfd(2) fills by copies (live migration, \
               checkpoints)",
    exact: &[
        &[fexit("userfault_copy", &["mfill_atomic_install_pte"])],
        &[
            fentry("userfault_enter", &["mcopy_atomic"]),
            fexit("userfault_leave", &["mcopy_atomic"]),
        ],
    ],
    lost: "copies by userfaultfd are allocations, and no first touches",
    kernels: "6.1 and later; before 6.4, copies are seen through the hook page_alloc_policy",
    needs: &[names::PAGE_FAULT, names::ALLOC_POLICY],
    cost: unmeasured("when a page is copied by userfaultfd"),
    ..Row::OPTIONAL
};

/// Pages that direct compaction hands out itself.
pub(super) const CAPTURED: Row = Row {
    hook: names::PAGE_CAPTURED,
    measures: "pages that direct compaction hands straight to the thread that looked for them, \
               which numastat does not count",
    exact: &[&[fexit("page_captured", &["try_to_compact_pages"])]],
    lost: "pages that direct compaction captures are in no table",
    kernels: "6.1 and later; an argument changed in 7.3",
    needs: &[names::PAGE_FAULT],
    cost: unmeasured("when an allocation has to compact memory itself"),
    ..Row::OPTIONAL
};
