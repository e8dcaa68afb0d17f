//! Readings of `--pressure`, and the settings that control the reaction to a full node.

use std::path::Path;

use super::known;
use crate::capture::sys::{ReadError, buddyinfo, hugepages, meminfo, vmstat, zoneinfo};
use crate::enrich::topology::knobs;
use crate::fold::stat::pressure::{NodeReading, Reading};
use crate::ids::NodeId;
use crate::model::topology::MissingFact;

/// Settings that are printed with the pressure.
const SETTINGS: &[&str] = &[
    "vm.zone_reclaim_mode",
    "vm.min_unmapped_ratio",
    "kernel.numa_balancing",
    "demotion",
    "transparent_hugepage/enabled",
    "transparent_hugepage/defrag",
];

/// Reads zones, free blocks and counters; files that cannot be read are listed in `missing`.
pub fn read(root: &Path, nodes: &[NodeId], missing: &mut Vec<MissingFact>) -> Reading {
    let node = |node: NodeId, missing: &mut Vec<MissingFact>| NodeReading {
        meminfo: known(meminfo::read_node(root, node), "memory of", node, missing),
        vmstat: known(vmstat::read_node(root, node), "reclaim of", node, missing),
        pools: known(
            hugepages::read_node(root, node),
            "huge page pools of",
            node,
            missing,
        ),
    };
    let nodes = nodes.iter().map(|&id| node(id, missing)).collect();
    Reading {
        nodes,
        zones: or_missing(zoneinfo::read(root), "zones", missing).unwrap_or_default(),
        blocks: or_missing(buddyinfo::read(root), "free blocks", missing).unwrap_or_default(),
        vmstat: or_missing(vmstat::read_system(root), "reclaim and swap", missing),
    }
}

/// Returns the settings in force as `name = value: meaning`.
pub fn settings(root: &Path) -> Vec<String> {
    let known = knobs::read(root)
        .into_iter()
        .filter(|knob| SETTINGS.contains(&knob.name.as_str()));
    known
        .filter_map(|knob| {
            Some(format!(
                "{} = {}: {}",
                knob.name,
                knob.value.ok()?,
                knob.implies
            ))
        })
        .collect()
}

/// Returns the value, or `None` and adds a line to `missing`.
pub fn or_missing<T>(
    read: Result<T, ReadError>,
    what: &str,
    missing: &mut Vec<MissingFact>,
) -> Option<T> {
    read.map_err(|error| {
        missing.push(MissingFact {
            what: what.to_owned(),
            why: error.to_string(),
        });
    })
    .ok()
}
