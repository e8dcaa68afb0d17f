//! Rows of a cgroup to columns parallel to the nodes; pages of cgroup v1 become bytes.

use crate::capture::sys::cgroup::{Row, Unit};
use crate::ids::NodeId;
use crate::model::stat::kinds::{CgroupRow, CgroupUnit};

/// Returns the rows with values in the order of `nodes`. `page_size` is in bytes: cgroup v1 counts
/// pages.
#[must_use]
pub fn rows(read: &[Row], nodes: &[NodeId], page_size: u64) -> Vec<CgroupRow> {
    let row = |row: &Row| {
        let (unit, factor) = match row.unit {
            Unit::Bytes => (CgroupUnit::Bytes, 1),
            Unit::Pages => (CgroupUnit::Bytes, page_size),
            Unit::Events => (CgroupUnit::Events, 1),
        };
        let value = |node: &NodeId| {
            row.nodes
                .iter()
                .find(|(id, _)| id == node)
                .map(|(_, value)| value.saturating_mul(factor))
        };
        CgroupRow {
            name: row.name.clone(),
            unit,
            nodes: nodes.iter().map(value).collect(),
        }
    };
    read.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_find_their_nodes_and_units() {
        let row = |unit| Row {
            name: "anon".to_owned(),
            unit,
            nodes: vec![(NodeId(4), 3)],
        };
        let rows = rows(
            &[row(Unit::Bytes), row(Unit::Pages), row(Unit::Events)],
            &[NodeId(0), NodeId(4)],
            4096,
        );
        assert_eq!(rows[0].nodes, [None, Some(3)]);
        assert_eq!(rows[1].nodes, [None, Some(3 * 4096)]);
        let units: Vec<CgroupUnit> = rows.iter().map(|row| row.unit).collect();
        assert_eq!(
            units,
            [CgroupUnit::Bytes, CgroupUnit::Bytes, CgroupUnit::Events]
        );
    }
}
