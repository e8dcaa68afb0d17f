//! The row about pages that are moved between nodes.

use super::{
    cost::{Cost, RunTime},
    names,
    row::{Probe, Row, fentry, fexit, tp},
};

const START: Probe = tp("page_migration_start", &["mm_migrate_pages_start"])
    .with_twin("page_migration_start_second");
const ENTER: Probe = fentry("page_migration_enter", &["move_to_new_folio"]);
const LEAVE: Probe =
    fexit("page_migration", &["move_to_new_folio"]).with_twin("page_migration_second");
const OWNER: Probe = fentry("page_migration_owner", &["remove_migration_pte"])
    .with_twin("page_migration_owner_second");
const PTE: Probe =
    tp("page_migration_pte", &["remove_migration_pte"]).with_twin("page_migration_pte_second");
const END: Probe =
    tp("page_migration_end", &["mm_migrate_pages"]).with_twin("page_migration_end_second");
/// Only in kernels that migrate huge pages whole.
const PMD: Probe = tp("page_migration_pmd", &["remove_migration_pmd"]);

/// Pages moved between nodes.
pub(super) const PAGES: Row = Row {
    hook: names::PAGE_MIGRATION,
    measures: "pages moved between nodes, by the process that has them mapped, nodes and reason; \
               who asked and how long it took",
    exact: &[
        &[START, ENTER, LEAVE, OWNER, PTE, END, PMD],
        &[START, ENTER, LEAVE, OWNER, PTE, END],
    ],
    fallback: &[
        START,
        tp("page_migration_batch", &["mm_migrate_pages"]).with_twin("page_migration_batch_second"),
    ],
    lost_on_fallback: "nodes and owners are unknown: moved pages are counted per call, by reason, \
                       for the process that called",
    lost: "page migrations are not measured",
    kernels: "6.1 and later; owners with CONFIG_MEMCG",
    parks: true,
    cost: Cost {
        fires: "several times for each moved page; on the fallback twice for each call",
        exact: RunTime::Unmeasured(""),
        fallback: RunTime::Ns(2350),
    },
    ..Row::OPTIONAL
};
