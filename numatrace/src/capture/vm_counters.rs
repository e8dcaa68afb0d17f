//! The rows of `/proc/vmstat` that count system-wide what we count by process: a cross-check beside
//! numastat.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::sys::vmstat::{Vmstat, read_system_from};

/// The rows, counted since boot. `None` where this kernel has no such row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VmCounters {
    /// Σ `pgalloc_*`: base pages allocated, counted where numastat counts the allocation.
    pub pages: Option<u64>,
    /// `numa_hint_faults`: NUMA hinting faults.
    pub hint_faults: Option<u64>,
    /// `numa_pte_updates`: page table entries that NUMA balancing made to fault.
    pub pte_updates: Option<u64>,
    /// `numa_pages_migrated`: base pages that hinting faults moved.
    pub hint_migrated: Option<u64>,
    /// `pgmigrate_success`: base pages moved for any reason, between nodes or within one.
    pub migrated: Option<u64>,
}

impl VmCounters {
    /// Reads the rows, all in one reading of the kernel's; `None` when the file cannot be read.
    pub fn read(root: &Path) -> Option<Self> {
        // The first of the rows that are wanted: the others follow within a page of text.
        let rows = read_system_from(root, "pgalloc_").ok()?;
        Some(Self::of(&rows))
    }

    fn of(rows: &Vmstat) -> Self {
        let row = |name: &str| rows.get(name).copied();
        let pages = rows.iter().filter(|(name, _)| name.starts_with("pgalloc_"));
        Self {
            pages: pages.map(|(_, pages)| *pages).reduce(u64::saturating_add),
            hint_faults: row("numa_hint_faults"),
            pte_updates: row("numa_pte_updates"),
            hint_migrated: row("numa_pages_migrated"),
            migrated: row("pgmigrate_success"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_added_up_and_a_missing_row_is_not_zero() {
        let rows: Vmstat = [
            ("pgalloc_dma", 1),
            ("pgalloc_normal", 20),
            ("pgmigrate_success", 3),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let counters = VmCounters::of(&rows);
        assert_eq!((counters.pages, counters.migrated), (Some(21), Some(3)));
        assert_eq!(counters.hint_faults, None);
        assert_eq!(VmCounters::of(&Vmstat::new()).pages, None);
    }
}
