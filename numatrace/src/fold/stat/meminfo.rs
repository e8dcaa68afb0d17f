//! Rows of several nodes' meminfo to one table, with huge page rows corrected for mixed page sizes.

use super::unexplained;
use crate::capture::sys::hugepages::Pool;
use crate::capture::sys::meminfo::{Row, Unit};
use crate::model::stat::memory::{HugePagePool, MeminfoRow, MeminfoSection, UNEXPLAINED};

/// The reading of one node; a part that could not be read is `None`.
#[derive(Debug, Default)]
pub struct NodeMemory {
    /// The node's meminfo rows.
    pub rows: Option<Vec<Row>>,
    /// The node's huge page pools.
    pub pools: Option<Vec<Pool>>,
    /// KiB of free pages that CPUs keep ready in the node's zones.
    pub ready_kib: Option<u64>,
}

/// Returns the section of one reading, with our own row at the end. `default_huge_kb` converts huge
/// page rows of nodes whose pools could not be read.
#[must_use]
pub fn section(nodes: &[NodeMemory], default_huge_kb: Option<u64>) -> MeminfoSection {
    let mut rows: Vec<MeminfoRow> = Vec::new();
    for (position, node) in nodes.iter().enumerate() {
        for row in node.rows.iter().flatten() {
            let kib = kib(row, node.pools.as_deref(), default_huge_kb);
            let index = rows
                .iter()
                .position(|known| known.name == row.name)
                .unwrap_or_else(|| {
                    rows.push(MeminfoRow {
                        name: row.name.clone(),
                        kib: vec![None; nodes.len()],
                    });
                    rows.len() - 1
                });
            if let Some(value) = rows
                .get_mut(index)
                .and_then(|row| row.kib.get_mut(position))
            {
                *value = kib;
            }
        }
    }
    if !rows.is_empty() {
        rows.push(MeminfoRow {
            name: UNEXPLAINED.to_owned(),
            kib: nodes.iter().map(unexplained).collect(),
        });
    }
    MeminfoSection {
        rows,
        huge_page_pools: pools(nodes),
    }
}

fn unexplained(node: &NodeMemory) -> Option<u64> {
    unexplained::of(
        node.rows.as_deref()?,
        node.pools.as_deref()?,
        node.ready_kib?,
    )
}

/// Returns the value of a row in KiB. The kernel's huge page rows count the default size only; the
/// pools have all sizes.
fn kib(row: &Row, pools: Option<&[Pool]>, default_huge_kb: Option<u64>) -> Option<u64> {
    let pages = |count: fn(&Pool) -> u64| -> Option<u64> {
        let sum = pools?.iter().fold(0u64, |sum, pool| {
            sum.saturating_add(count(pool).saturating_mul(pool.page_kb))
        });
        Some(sum)
    };
    let from_pools = match (row.unit, row.name.as_str()) {
        (Unit::KiB, _) => return Some(row.value),
        (Unit::Count, "HugePages_Total") => pages(|pool| pool.total),
        (Unit::Count, "HugePages_Free") => pages(|pool| pool.free),
        (Unit::Count, "HugePages_Surp") => pages(|pool| pool.surplus),
        (Unit::Count, _) => None,
    };
    from_pools.or_else(|| Some(row.value.saturating_mul(default_huge_kb?)))
}

fn pools(nodes: &[NodeMemory]) -> Vec<HugePagePool> {
    let mut sizes: Vec<u64> = nodes
        .iter()
        .flat_map(|node| node.pools.iter().flatten())
        .map(|pool| pool.page_kb)
        .collect();
    sizes.sort_unstable();
    sizes.dedup();
    let column = |page_kb: u64, value: fn(&Pool) -> u64| -> Vec<Option<u64>> {
        let one = |node: &NodeMemory| {
            let pools = node.pools.as_ref()?;
            Some(
                pools
                    .iter()
                    .find(|pool| pool.page_kb == page_kb)
                    .map_or(0, value),
            )
        };
        nodes.iter().map(one).collect()
    };
    let pool = |page_kb: u64| HugePagePool {
        page_kb,
        total: column(page_kb, |pool| pool.total),
        free: column(page_kb, |pool| pool.free),
        surplus: column(page_kb, |pool| pool.surplus),
    };
    sizes.into_iter().map(pool).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(total: u64, huge: u64, pools: Option<Vec<Pool>>) -> NodeMemory {
        let rows = vec![
            Row {
                name: "MemTotal".to_owned(),
                value: total,
                unit: Unit::KiB,
            },
            Row {
                name: "HugePages_Total".to_owned(),
                value: huge,
                unit: Unit::Count,
            },
        ];
        NodeMemory {
            rows: Some(rows),
            pools,
            ready_kib: Some(0),
        }
    }

    #[test]
    fn huge_pages_of_all_sizes_are_summed() {
        let pool = |page_kb, total| Pool {
            page_kb,
            total,
            free: 0,
            surplus: 0,
        };
        let both = node(1000, 3, Some(vec![pool(2048, 3), pool(1_048_576, 1)]));
        let unread = node(2000, 2, None);
        let section = section(&[both, unread, NodeMemory::default()], Some(2048));
        assert_eq!(section.rows[0].kib, [Some(1000), Some(2000), None]);
        assert_eq!(
            section.rows[1].kib,
            [Some(3 * 2048 + 1_048_576), Some(2 * 2048), None]
        );
        assert_eq!(section.huge_page_pools[1].total, [Some(1), None, None]);
        assert_eq!(section.rows[2].name, UNEXPLAINED, "at the end");
        assert_eq!(section.rows[2].kib, [None, None, None], "rows are missing");
    }

    #[test]
    fn what_no_row_explains_has_a_row_after_the_kernels() {
        let kib = |name: &str, value| Row {
            name: name.to_owned(),
            value,
            unit: Unit::KiB,
        };
        let rows = vec![
            kib("MemTotal", 100_000),
            kib("MemFree", 60_000),
            kib("Active", 10_000),
            kib("Inactive", 5000),
            kib("Unevictable", 0),
            kib("FilePages", 9000),
            kib("AnonPages", 6000),
            kib("KernelStack", 100),
            kib("PageTables", 200),
            kib("Slab", 4000),
        ];
        let node = |rows: &[Row], ready_kib| NodeMemory {
            rows: Some(rows.to_vec()),
            pools: Some(Vec::new()),
            ready_kib,
        };
        let read = [
            node(&rows, Some(700)),
            node(&rows, None),
            NodeMemory::default(),
        ];
        let section = section(&read, None);
        let last = section.rows.last().unwrap();
        assert_eq!(last.name, UNEXPLAINED);
        assert_eq!(last.kib, [Some(20_000), None, None]);
        assert_eq!(section.rows.len(), rows.len() + 1);
        let unread = super::section(&[NodeMemory::default()], None);
        assert_eq!(unread.rows, [], "no node could be read");
    }
}
