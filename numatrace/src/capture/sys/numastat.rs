//! `nodeN/numastat`: the six counters of one node, exact at the instant of the read, because the
//! kernel then folds its per-CPU parts.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{ReadError, excerpt, read_text};
use crate::ids::NodeId;

/// The counters of one node since boot, or since `vm.numa_stat` was last switched on. They count
/// allocations, not pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeCounters {
    /// Allocations that wanted this node and got it.
    pub numa_hit: u64,
    /// Allocations that wanted a different node and got this one.
    pub numa_miss: u64,
    /// Allocations that wanted this node and got a different one.
    pub numa_foreign: u64,
    /// Allocations for which interleaving wanted this node and got it.
    pub interleave_hit: u64,
    /// Allocations from this node by one of its own CPUs.
    pub local_node: u64,
    /// Allocations from this node by a CPU of a different node.
    pub other_node: u64,
}

/// Reads the counters of one node.
pub fn read_node(root: &Path, node: NodeId) -> Result<NodeCounters, ReadError> {
    let relative = format!("sys/devices/system/node/node{node}/numastat");
    let text = read_text(root, &relative)?;
    parse(&text).map_err(|what| ReadError::garbage(root.join(relative), what))
}

/// Parses the rows. Unknown rows are ignored; a missing row is an error, because a 0 in its place
/// would be false.
pub(crate) fn parse(text: &str) -> Result<NodeCounters, String> {
    let row = |wanted: &str| {
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(wanted)?.strip_prefix(' '));
        let value = value.ok_or_else(|| format!("it has no row {wanted}"))?;
        value
            .trim()
            .parse()
            .map_err(|_| format!("expected a number after {wanted}, found {}", excerpt(value)))
    };
    Ok(NodeCounters {
        numa_hit: row("numa_hit")?,
        numa_miss: row("numa_miss")?,
        numa_foreign: row("numa_foreign")?,
        interleave_hit: row("interleave_hit")?,
        local_node: row("local_node")?,
        other_node: row("other_node")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_rows_in_any_order_and_no_row_is_invented() {
        let text = "other_node 6\nnuma_hit 1\nnuma_miss 2\nnew_row 9\nnuma_foreign 3\n\
                    interleave_hit 4\nlocal_node 5\n";
        let counters = parse(text).unwrap();
        assert_eq!(
            (counters.numa_hit, counters.other_node, counters.local_node),
            (1, 6, 5)
        );
        assert_eq!(
            parse(&text.replace("numa_miss 2\n", "")).unwrap_err(),
            "it has no row numa_miss"
        );
        assert!(
            parse(&text.replace('2', "two"))
                .unwrap_err()
                .contains("found \"two\"")
        );
    }
}
