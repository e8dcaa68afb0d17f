//! The probe sources, embedded for the declarations in their first lines, so that a binary can check any kernel it lands on.

/// (stem, source) of each file in `numatrace-ebpf/src/probes`.
pub const PROBES: &[(&str, &str)] = &[
    (
        "alloc_bulk",
        include_str!("../../../../numatrace-ebpf/src/probes/alloc_bulk.rs"),
    ),
    (
        "alloc_policy",
        include_str!("../../../../numatrace-ebpf/src/probes/alloc_policy.rs"),
    ),
    (
        "hint_fault",
        include_str!("../../../../numatrace-ebpf/src/probes/hint_fault.rs"),
    ),
    (
        "numastat_fold",
        include_str!("../../../../numatrace-ebpf/src/probes/numastat_fold.rs"),
    ),
    (
        "page_alloc",
        include_str!("../../../../numatrace-ebpf/src/probes/page_alloc.rs"),
    ),
    (
        "page_fault",
        include_str!("../../../../numatrace-ebpf/src/probes/page_fault.rs"),
    ),
    (
        "page_migration",
        include_str!("../../../../numatrace-ebpf/src/probes/page_migration.rs"),
    ),
    (
        "task_life",
        include_str!("../../../../numatrace-ebpf/src/probes/task_life.rs"),
    ),
];
