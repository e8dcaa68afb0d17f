//! Memory used remotely: pages whose users run on a different node than the one that first touch
//! put them on.
//!
//! First touches and uses are compared range by range. Where first touch lies before the session, a
//! page's node is the one on which the balancer's sample found it.

use std::collections::BTreeMap;

use super::{
    area::Area,
    extents::{Extents, PAGE},
};
use crate::ids::NodeId;

/// Most ranges of one area that are compared. Beyond that neighbours are compared as one, because
/// time grows with the square of their number.
const RANGES: usize = 2_048;

/// Returns the base pages of an area that are used mainly from other nodes than they lie on.
pub fn pages(area: &Area) -> u64 {
    let mut ends: Vec<u64> = area
        .touches
        .values()
        .flat_map(|touched| touched.pages.iter())
        .chain(area.uses.values().flat_map(Extents::iter))
        .flat_map(|extent| [extent.low, extent.high])
        .collect();
    ends.sort_unstable();
    ends.dedup();
    if let (true, Some(last)) = (ends.len() > RANGES, ends.last().copied()) {
        let step = ends.len().div_ceil(RANGES);
        ends = ends.into_iter().step_by(step).chain([last]).collect();
    }
    ends.windows(2)
        .filter_map(|pair| Some(in_range(area, *pair.first()?, *pair.get(1)?)))
        .sum()
}

/// Returns those in one range of addresses.
fn in_range(area: &Area, low: u64, high: u64) -> u64 {
    let within = |extents: &Extents, least: u64| -> u64 {
        extents
            .iter()
            .filter(|extent| extent.low < high && low < extent.high)
            .map(|extent| extent.part(low, high).max(least))
            .sum()
    };
    let mut placed: BTreeMap<NodeId, u64> = BTreeMap::new();
    for (key, touched) in &area.touches {
        let pages = within(&touched.pages, 0);
        if pages > 0 {
            *placed.entry(key.nodes.1).or_default() += pages;
        }
    }
    let mut users: BTreeMap<NodeId, u64> = BTreeMap::new();
    let mut remote = 0;
    for ((_, nodes), faults) in &area.uses {
        // Hinting faults are a sample: one fault in a hundred pages stands for all of them.
        let faults = within(faults, 1);
        if faults > 0 {
            *users.entry(nodes.0).or_default() += faults;
            remote += if nodes.0 == nodes.1 { 0 } else { faults };
        }
    }
    let (there, used) = (placed.values().sum::<u64>(), users.values().sum::<u64>());
    if used == 0 {
        return 0;
    }
    if there == 0 {
        return remote.min((high - low) / PAGE);
    }
    // Users spread over nodes as the pages are need no page moved.
    let used_remotely = placed
        .iter()
        .map(|(node, pages)| {
            let fair = u128::from(there) * u128::from(users.get(node).copied().unwrap_or(0))
                / u128::from(used);
            pages.saturating_sub(u64::try_from(fair).unwrap_or(u64::MAX))
        })
        .sum::<u64>();
    used_remotely.min(there)
}
