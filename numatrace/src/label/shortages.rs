//! Looks at nodes that could not give a page, for the report.

use crate::{fold::shortages::Shortages, model::Shortage};

/// KiB of a base page, as on x86.
const PAGE_KB: u64 = 4;

/// Returns all looks, by node, largest requests last.
pub fn all(shortages: &Shortages) -> Vec<Shortage> {
    let looks = shortages.iter();
    looks
        .map(|(node, order, movable, looks)| Shortage {
            node,
            block_kb: PAGE_KB << order,
            movable,
            at_ns: looks.first_ns,
            looks: looks.looks,
            full: looks.full,
            fragmented: looks.fragmented,
            closed: looks.closed,
            least_free_kb: looks.free_kb[0],
            most_free_kb: looks.free_kb[1],
            node_free_kb: looks.node_free_kb,
        })
        .collect()
}
