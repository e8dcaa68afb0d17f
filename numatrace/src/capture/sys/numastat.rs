//! `nodeN/numastat`: the six counters of one node, exact at the instant of the read (the kernel folds its per-CPU parts then).

use serde::{Deserialize, Serialize};
use std::path::Path;

use super::{ReadError, excerpt, read_text};
use crate::ids::NodeId;

/// The counters of one node since boot, or since `vm.numa_stat` was last switched on. They count allocations, not pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeCounters {
    /// Wanted this node and got it.
    pub numa_hit: u64,
    /// Wanted another node and got this one.
    pub numa_miss: u64,
    /// Wanted this node and got another.
    pub numa_foreign: u64,
    /// Interleaving wanted this node and got it.
    pub interleave_hit: u64,
    /// Came from this node to one of its own CPUs.
    pub local_node: u64,
    /// Came from this node to a CPU of another.
    pub other_node: u64,
}

/// The counters of one node.
pub fn read_node(root: &Path, node: NodeId) -> Result<NodeCounters, ReadError> {
    let relative = format!("sys/devices/system/node/node{node}/numastat");
    let text = read_text(root, &relative)?;
    parse(&text).map_err(|what| ReadError::garbage(root.join(relative), what))
}

/// Rows this version does not know are left aside; a missing one is an error, for a 0 in its place would be a lie.
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
        let text = "other_node 6\nnuma_hit 1\nnuma_miss 2\nnew_row 9\nnuma_foreign 3\ninterleave_hit 4\nlocal_node 5\n";
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
