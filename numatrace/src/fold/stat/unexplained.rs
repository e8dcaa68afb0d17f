//! Memory of a node that no row of its meminfo explains: drivers, pipes, balloons, page pools,
//! vmalloc and per-CPU data take pages that the kernel counts as used and otherwise nowhere.
//!
//! Rows overlap (drivers/base/node.c, mm/vmstat.c), so a page must be subtracted by one of them
//! only:
//!
//! - FilePages has Shmem, SwapCached, Dirty, Writeback, Mapped and the huge pages of files.
//!   AnonPages has AnonHugePages. A page of swap cache that is mapped is in both.
//! - Active, Inactive and Unevictable have each page of user memory once, also pages that left
//!   FilePages or AnonPages and are still pinned; but not pages on their way to or from a list.
//! - KReclaimable is SReclaimable and more; Slab is SReclaimable and SUnreclaim.
//! - Unaccepted memory is in MemFree. NFS_Unstable is in FilePages. HugePages_Total are of the
//!   default size only; the pools have all sizes.
//! - Balloon (newer kernels) has pages that most balloons take out of MemTotal, so it is not
//!   subtracted.
//! - Free pages that CPUs keep ready (the per-CPU lists of /proc/zoneinfo) are not in MemFree.

use super::ratio;
use crate::capture::sys::hugepages::Pool;
use crate::capture::sys::meminfo::{Row, kib};
use crate::capture::sys::zoneinfo::Zone;
use crate::ids::NodeId;
use crate::model::stat::pressure::NodePressure;

/// Rows that exist on some kernels and configurations only; without them the kernel has no such
/// pages.
const SOMETIMES: [&str; 6] = [
    "ShadowCallStack",
    "SecPageTables",
    "Bounce",
    "WritebackTmp",
    "GPUActive",
    "GPUReclaim",
];

/// The part of the node's memory by which the rows may explain more than there is and still be
/// right. The kernel adds up changes per CPU, up to 125 pages in each row, before a row shows them.
const LAG: u64 = 50;

/// Returns the KiB of a node that no row explains, from its rows, its huge page pools and its free
/// pages on per-CPU lists, in KiB.
///
/// `None` when a row is missing, or when the rows explain more than the node has by over one part
/// in [`LAG`]: then rows overlap in a way that is not known here. Less than that is the lag of the
/// rows, and nothing is unexplained.
#[must_use]
pub fn of(rows: &[Row], pools: &[Pool], ready_kib: u64) -> Option<u64> {
    let row = |name: &str| kib(rows, name);
    let sum = |names: &[&str]| {
        names
            .iter()
            .try_fold(0u64, |sum, name| Some(sum.saturating_add(row(name)?)))
    };
    let total = row("MemTotal")?;
    let counted =
        sum(&["FilePages", "AnonPages"])?.saturating_sub(row("SwapCached").unwrap_or_default());
    let listed = sum(&["Active", "Inactive", "Unevictable"])?;
    let slab = match row("KReclaimable") {
        Some(reclaimable) => reclaimable.saturating_add(row("SUnreclaim")?),
        None => row("Slab")?,
    };
    let kernel = sum(&["KernelStack", "PageTables"])?;
    let sometimes = SOMETIMES.iter().filter_map(|name| row(name));
    let huge = pools
        .iter()
        .map(|pool| pool.total.saturating_mul(pool.page_kb));
    let explained = [
        row("MemFree")?,
        ready_kib,
        counted.max(listed),
        slab,
        kernel,
    ]
    .into_iter()
    .chain(sometimes)
    .chain(huge)
    .fold(0u64, u64::saturating_add);
    match total.checked_sub(explained) {
        None if explained - total > total / LAG => None,
        rest => Some(rest.unwrap_or(0)),
    }
}

/// Returns the KiB of free pages that CPUs keep ready in the zones of a node.
#[must_use]
pub fn ready_kib(zones: &[Zone], node: NodeId, page_kib: u64) -> u64 {
    let zones = zones.iter().filter(|zone| zone.node == node);
    zones
        .map(|zone| zone.ready.saturating_mul(page_kib))
        .fold(0, u64::saturating_add)
}

/// Share of a node's memory from which on what is unexplained is reported.
const NOTABLE_SHARE: f64 = 0.05;

/// KiB below which it is not: a small machine has as much in modules and per-CPU data.
const NOTABLE_KIB: u64 = 64 << 10;

/// Returns a finding about the nodes with much unexplained memory, if there are any.
#[must_use]
pub fn finding(nodes: &[NodePressure]) -> Option<String> {
    let notable = |node: &NodePressure| {
        let (kib, total) = (node.unexplained_kib?, node.total_kib?);
        let share = ratio(kib, total);
        (kib >= NOTABLE_KIB && share >= NOTABLE_SHARE).then(|| {
            let (id, percent) = (node.node, share * 100.0);
            let (kib, total) = (size(kib), size(total));
            format!("node {id}: {kib} of {total} ({percent:.0} %)")
        })
    };
    let nodes: Vec<String> = nodes.iter().filter_map(notable).collect();
    (!nodes.is_empty()).then(|| {
        format!(
            "In no row of meminfo: {}. Drivers, pipes, balloons, page pools or vmalloc took them. \
             `numatrace trace --kernel-stacks 64` samples the kernel code that takes such memory \
             for threads while it runs; it does not sample bulk allocations (much of vmalloc and \
             of page pools) and interrupts.",
            nodes.join("; ")
        )
    })
}

fn size(kib: u64) -> String {
    const GIB: u64 = 1 << 20;
    if kib < GIB {
        return format!("{} MiB", kib >> 10);
    }
    format!("{:.1} GiB", ratio(kib, GIB))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::sys::meminfo::Unit;

    /// A node of 64 GB, as Linux 6.12 prints it; the parts that count are commented.
    const NODE: &str = "\
        MemTotal 67108864
        MemFree 20000000
        MemUsed 47108864
        SwapCached 3000
        Active 9000000
        Inactive 20000000
        Active(anon) 8000000
        Inactive(anon) 4000000
        Active(file) 1000000
        Inactive(file) 16000000
        Unevictable 500000
        Mlocked 400000
        Dirty 70000
        Writeback 3
        FilePages 17500000
        Mapped 600000
        AnonPages 12001000
        Shmem 500000
        KernelStack 30000
        PageTables 200000
        SecPageTables 10000
        NFS_Unstable 0
        Bounce 0
        WritebackTmp 0
        KReclaimable 1000000
        Slab 1500000
        SReclaimable 1000000
        SUnreclaim 500000
        AnonHugePages 7000000
        Unaccepted 40000";

    fn rows(text: &str) -> Vec<Row> {
        let row = |line: &str| {
            let (name, value) = line.trim().split_once(' ').unwrap();
            Row {
                name: name.to_owned(),
                value: value.parse().unwrap(),
                unit: Unit::KiB,
            }
        };
        text.lines().map(row).collect()
    }

    fn with(name: &str, value: Option<u64>) -> Vec<Row> {
        let mut rows = rows(NODE);
        rows.retain(|row| row.name != name);
        rows.extend(value.map(|value| Row {
            name: name.to_owned(),
            value,
            unit: Unit::KiB,
        }));
        rows
    }

    const POOLS: [Pool; 2] = [
        Pool {
            page_kb: 2048,
            total: 1000,
            free: 400,
            surplus: 0,
        },
        Pool {
            page_kb: 1 << 20,
            total: 3,
            free: 3,
            surplus: 0,
        },
    ];

    /// Rest of the node: 64 GB less free, user memory, slab, stacks and page tables.
    const LEFT: u64 = 67_108_864 - 20_000_000 - 29_500_000 - 1_500_000 - 240_000;

    #[test]
    fn each_page_is_subtracted_once() {
        let pools = 1000 * 2048 + 3 * (1 << 20);
        assert_eq!(of(&rows(NODE), &[], 0), Some(LEFT));
        assert_eq!(of(&rows(NODE), &POOLS, 0), Some(LEFT - pools));
        assert_eq!(of(&rows(NODE), &POOLS, 5000), Some(LEFT - pools - 5000));
        let newer = with("GPUActive", Some(700));
        assert_eq!(of(&newer, &[], 0), Some(LEFT - 700));
        let misc = with("KReclaimable", Some(1_000_900));
        assert_eq!(of(&misc, &[], 0), Some(LEFT - 900), "more than slab");
        for part in [
            "Shmem",
            "Dirty",
            "Mlocked",
            "AnonHugePages",
            "Unaccepted",
            "MemUsed",
        ] {
            let less = with(part, None);
            assert_eq!(
                of(&less, &[], 0),
                Some(LEFT),
                "{part} is in a different row"
            );
        }
    }

    #[test]
    fn swap_cache_is_not_counted_twice_and_the_larger_view_of_user_memory_counts() {
        // FilePages and AnonPages have 1,000 more than the lists; 3,000 of them may be in both.
        assert_eq!(of(&with("SwapCached", Some(0)), &[], 0), Some(LEFT - 1000));
        assert_eq!(of(&with("SwapCached", None), &[], 0), Some(LEFT - 1000));
        // Pages that left the page cache and are pinned are on the lists only.
        assert_eq!(
            of(&with("Inactive", Some(20_050_000)), &[], 0),
            Some(LEFT - 50_000)
        );
    }

    #[test]
    fn rows_that_lag_leave_nothing_and_rows_that_overlap_are_not_believed() {
        let free = |kib: u64| of(&with("MemFree", Some(20_000_000 + kib)), &[], 0);
        assert_eq!(free(LEFT - 1), Some(1));
        assert_eq!(free(LEFT), Some(0));
        assert_eq!(free(LEFT + 1000), Some(0), "the lag of the rows");
        assert_eq!(free(LEFT + 67_108_864 / LAG), Some(0));
        assert_eq!(free(LEFT + 67_108_864 / LAG + 1), None);
    }

    #[test]
    fn a_row_that_is_missing_leaves_it_unknown_and_an_old_kernel_has_fewer() {
        for needed in [
            "MemTotal",
            "MemFree",
            "FilePages",
            "AnonPages",
            "Active",
            "Inactive",
            "Unevictable",
            "KernelStack",
            "PageTables",
            "SUnreclaim",
        ] {
            assert_eq!(of(&with(needed, None), &[], 0), None, "{needed}");
        }
        for kept in ["Bounce", "WritebackTmp", "KReclaimable"] {
            assert_eq!(of(&with(kept, None), &[], 0), Some(LEFT), "{kept}");
        }
        assert_eq!(
            of(&with("SecPageTables", None), &[], 0),
            Some(LEFT + 10_000)
        );
        assert_eq!(of(&[], &[], 0), None);
    }

    #[test]
    fn a_node_without_memory_has_nothing_unexplained() {
        let mut none = rows(NODE);
        none.iter_mut().for_each(|row| row.value = 0);
        assert_eq!(of(&none, &[], 0), Some(0));
    }

    #[test]
    fn only_much_is_worth_a_sentence() {
        let node = |node, total_kib, unexplained_kib| NodePressure {
            node: NodeId(node),
            total_kib: Some(total_kib),
            unexplained_kib,
            ..NodePressure::default()
        };
        const GIB: u64 = 1 << 20;
        let quiet = [
            node(0, 64 * GIB, Some(3 * GIB)),
            node(1, GIB, Some((64 << 10) - 1)),
            node(2, 64 * GIB, None),
            node(3, 0, Some(0)),
        ];
        assert_eq!(finding(&quiet), None);
        let loud = [
            node(0, 64 * GIB, Some(GIB)),
            node(4, 64 * GIB, Some(13 * GIB / 4)),
            node(5, GIB, Some(100 << 10)),
        ];
        let said = finding(&loud).unwrap();
        let start = "In no row of meminfo: node 4: 3.2 GiB of 64.0 GiB (5 %); \
                     node 5: 100 MiB of 1.0 GiB (10 %). Drivers, ";
        assert!(said.starts_with(start), "{said}");
        assert!(said.contains("--kernel-stacks"), "{said}");
    }

    #[test]
    fn ready_pages_are_those_of_the_nodes_own_zones() {
        let zone = |node, ready| Zone {
            node: NodeId(node),
            ready,
            ..Zone::default()
        };
        let zones = [zone(0, 10), zone(4, 7), zone(0, 1)];
        assert_eq!(ready_kib(&zones, NodeId(0), 4), 44);
        assert_eq!(ready_kib(&zones, NodeId(4), 16), 112);
        assert_eq!(ready_kib(&zones, NodeId(9), 4), 0);
    }
}
