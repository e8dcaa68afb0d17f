//! Mappings of a process to resident KiB by node, in numastat's categories.

use crate::capture::sys::numa_maps::MapLine;
use crate::ids::NodeId;
use crate::model::stat::memory::NumastatCategories;

/// Sizes that page counts are converted with.
#[derive(Clone, Copy, Debug)]
pub struct PageSizes {
    /// KiB of a base page.
    pub base_kb: u64,
    /// KiB of a huge page of the default size, for kernels whose numa_maps does not show it.
    pub default_huge_kb: u64,
}

impl PageSizes {
    /// Returns the KiB of each page that a line of numa_maps counts.
    #[must_use]
    pub fn of(self, map: &MapLine<'_>) -> u64 {
        map.page_kb.unwrap_or(if map.huge {
            self.default_huge_kb
        } else {
            self.base_kb
        })
    }
}

/// Adds a mapping to numastat's categories. Returns its pages on nodes that are not among `nodes`:
/// they came online since.
pub fn add_numastat(
    sum: &mut NumastatCategories,
    map: &MapLine<'_>,
    nodes: &[NodeId],
    sizes: PageSizes,
) -> u64 {
    let column = if map.huge {
        &mut sum.huge
    } else if map.heap {
        &mut sum.heap
    } else if map.stack {
        &mut sum.stack
    } else {
        &mut sum.private
    };
    let page_kb = sizes.of(map);
    let mut unplaced = 0u64;
    for (node, pages) in &map.pages {
        match nodes
            .binary_search(node)
            .ok()
            .and_then(|position| column.get_mut(position))
        {
            Some(sum) => *sum = sum.saturating_add(pages.saturating_mul(page_kb)),
            None => unplaced = unplaced.saturating_add(*pages),
        }
    }
    unplaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_count_in_their_own_size_on_sparse_nodes() {
        let nodes = [NodeId(0), NodeId(8)];
        let sizes = PageSizes {
            base_kb: 4,
            default_huge_kb: 2048,
        };
        let mut sum = NumastatCategories::zeros(2);
        let map = |huge, page_kb, pages: &[(u16, u64)]| MapLine {
            huge,
            page_kb,
            pages: pages
                .iter()
                .map(|&(node, count)| (NodeId(node), count))
                .collect(),
            ..MapLine::default()
        };
        assert_eq!(
            add_numastat(
                &mut sum,
                &map(true, Some(1_048_576), &[(8, 1)]),
                &nodes,
                sizes
            ),
            0
        );
        assert_eq!(
            add_numastat(&mut sum, &map(true, None, &[(0, 2)]), &nodes, sizes),
            0
        );
        assert_eq!(
            add_numastat(
                &mut sum,
                &map(false, Some(4), &[(0, 3), (8, 5), (9, 7)]),
                &nodes,
                sizes
            ),
            7
        );
        assert_eq!(
            (sum.huge.clone(), sum.private.clone()),
            (vec![4096, 1_048_576], vec![12, 20])
        );
        assert_eq!(sum.totals(), [4108, 1_048_596]);
    }
}
