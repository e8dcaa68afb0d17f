//! Looks at nodes that could not give a page that was wanted of them: full, in pieces, or closed to
//! the task that asked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{decode::failure::NodeShortage, enrich::facts::memory::NodeFree, ids::NodeId};

/// Node, order, and 1 for memory of programs and files, 0 for the kernel's own.
type Key = (NodeId, u32, u8);

/// Looks of a session or interval, by node and kind of request. Nodes, orders and kinds bound it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shortages(Vec<(Key, Looks)>);

/// Orders that a kernel has at most (`MAX_PAGE_ORDER`, arm64 with 64 KiB pages).
const ORDERS: u32 = 16;

/// Looks at a node for one kind of request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looks {
    /// The first one, ns since boot.
    pub first_ns: u64,
    /// How many: one a second at most of each CPU.
    pub looks: u64,
    /// Of these, at an open node whose zone had hardly more free memory than it keeps back.
    pub full: u64,
    /// Of these, at an open node that had more, but no block that was large enough.
    pub fragmented: u64,
    /// Of these, for a task whose cpuset leaves the node out.
    pub closed: u64,
    /// Free memory of the zone, KiB: the least and the most.
    pub free_kb: [u64; 2],
    /// Free memory of the whole node when the first look's record arrived, KiB; `None` where that
    /// could not be read.
    pub node_free_kb: Option<u64>,
}

impl Shortages {
    /// Adds a look. `late` reads the free memory of all nodes, once for each kind of request.
    pub fn add(
        &mut self,
        seen: &NodeShortage,
        at_ns: u64,
        page_kb: u64,
        late: impl FnOnce() -> Vec<NodeFree>,
    ) {
        if seen.order >= ORDERS {
            return;
        }
        let key = (seen.node, seen.order, u8::from(seen.movable));
        let free_kb = seen.free_pages.saturating_mul(page_kb);
        let at = match self.0.iter().position(|(of, _)| *of == key) {
            Some(at) => at,
            None => {
                let nodes = late();
                let node = nodes.iter().find(|free| free.node == seen.node);
                let first = Looks {
                    first_ns: at_ns,
                    free_kb: [free_kb; 2],
                    node_free_kb: node.map(|free| free.free_kb),
                    ..Looks::default()
                };
                self.0.push((key, first));
                self.0.len() - 1
            }
        };
        let looks = &mut self.0[at].1;
        looks.looks = looks.looks.saturating_add(1);
        looks.first_ns = looks.first_ns.min(at_ns);
        let [least, most] = looks.free_kb;
        looks.free_kb = [least.min(free_kb), most.max(free_kb)];
        // Where the zone's reserve is not known, neither state can be told from the other.
        let is_below = seen.low_pages.map(|low| is_below(seen, low));
        let kind = match (seen.allowed, is_below) {
            (false, _) => &mut looks.closed,
            (true, Some(true)) => &mut looks.full,
            (true, Some(false)) if seen.blocks == 0 => &mut looks.fragmented,
            _ => return,
        };
        *kind = kind.saturating_add(1);
    }

    /// Returns the looks: node, order, whether for programs, and what was seen.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, u32, bool, &Looks)> {
        let by_key: BTreeMap<Key, &Looks> =
            self.0.iter().map(|(key, looks)| (*key, looks)).collect();
        by_key
            .into_iter()
            .map(|((node, order, movable), looks)| (node, order, movable != 0, looks))
    }
}

/// Returns whether a zone had no more free memory than it keeps back. The look comes a moment after
/// the refusal, when reclaim may have freed some. A single page is refused for no other reason, so
/// there the margin is wide.
fn is_below(seen: &NodeShortage, low: u64) -> bool {
    let margin = if seen.order == 0 { low } else { low / 8 };
    seen.free_pages < low.saturating_add(margin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(free_pages: u64, blocks: u64) -> NodeShortage {
        NodeShortage {
            node: NodeId(0),
            order: 9,
            movable: true,
            allowed: true,
            free_pages,
            blocks,
            low_pages: Some(1_000),
        }
    }

    #[test]
    fn a_zone_is_full_below_its_watermark_and_in_pieces_above() {
        let mut shortages = Shortages::default();
        let free = || {
            vec![NodeFree {
                node: NodeId(0),
                free_kb: 8_000,
            }]
        };
        for (at_ns, look) in [
            (5, seen(50_000, 0)),
            (7, seen(40_000, 0)),
            (9, seen(900, 0)),
        ] {
            shortages.add(&look, at_ns, 4, free);
        }
        // A watermark that a larger reserve raises: neither is shown.
        shortages.add(&seen(60_000, 3), 10, 4, free);
        let closed = NodeShortage {
            allowed: false,
            ..seen(60_000, 3)
        };
        shortages.add(&closed, 11, 4, free);
        let all: Vec<_> = shortages.iter().collect();
        assert_eq!(all.len(), 1);
        let (node, order, movable, looks) = all[0];
        assert_eq!((node, order, movable), (NodeId(0), 9, true));
        let expected = Looks {
            first_ns: 5,
            looks: 5,
            full: 1,
            fragmented: 2,
            closed: 1,
            free_kb: [3_600, 240_000],
            node_free_kb: Some(8_000),
        };
        assert_eq!(*looks, expected);
    }

    #[test]
    fn a_zone_with_an_unknown_reserve_is_neither_full_nor_in_pieces() {
        let mut shortages = Shortages::default();
        let unknown = NodeShortage {
            low_pages: None,
            ..seen(900, 0)
        };
        shortages.add(&unknown, 5, 4, Vec::new);
        let all: Vec<_> = shortages.iter().map(|(.., looks)| *looks).collect();
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].looks, all[0].full, all[0].fragmented), (1, 0, 0));
        assert_eq!(all[0].node_free_kb, None);
    }

    #[test]
    fn kinds_of_requests_are_apart_and_orders_that_no_kernel_has_are_left_out() {
        let mut shortages = Shortages::default();
        let of = |order, movable| NodeShortage {
            order,
            movable,
            ..seen(0, 0)
        };
        for look in [of(9, true), of(0, true), of(0, false), of(77, true)] {
            shortages.add(&look, 1, 4, Vec::new);
        }
        let kinds = shortages
            .iter()
            .map(|(_, order, movable, _)| (order, movable));
        let kinds: Vec<_> = kinds.collect();
        assert_eq!(kinds, [(0, false), (0, true), (9, true)]);
    }
}
