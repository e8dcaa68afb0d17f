//! Surprises: pages whose users sit on another node than first touch gave them.
//!
//! First touches and uses are compared address by address. Where first touch lies before the session, a page's home is where the
//! balancer's sample found it.

use std::collections::BTreeMap;

use super::{
    area::Area,
    extents::{Extents, PAGE},
};
use crate::ids::NodeId;

/// Stretches of one area that are compared: beyond it neighbours are compared as one, because time grows with the square.
const STRETCHES: usize = 2_048;

/// Base pages of an area whose users are elsewhere.
pub fn pages(area: &Area) -> u64 {
    let mut cuts: Vec<u64> = area
        .touches
        .values()
        .flat_map(|touched| touched.pages.iter())
        .chain(area.uses.values().flat_map(Extents::iter))
        .flat_map(|extent| [extent.low, extent.high])
        .collect();
    cuts.sort_unstable();
    cuts.dedup();
    if let (true, Some(last)) = (cuts.len() > STRETCHES, cuts.last().copied()) {
        let step = cuts.len().div_ceil(STRETCHES);
        cuts = cuts.into_iter().step_by(step).chain([last]).collect();
    }
    cuts.windows(2)
        .filter_map(|pair| Some(interval(area, *pair.first()?, *pair.get(1)?)))
        .sum()
}

fn interval(area: &Area, low: u64, high: u64) -> u64 {
    let within = |extents: &Extents, least: u64| -> u64 {
        extents
            .iter()
            .filter(|extent| extent.low < high && low < extent.high)
            .map(|extent| extent.part(low, high).max(least))
            .sum()
    };
    let mut homes: BTreeMap<NodeId, u64> = BTreeMap::new();
    for (key, touched) in &area.touches {
        let pages = within(&touched.pages, 0);
        if pages > 0 {
            *homes.entry(key.nodes.1).or_default() += pages;
        }
    }
    let mut users: BTreeMap<NodeId, u64> = BTreeMap::new();
    let mut remote = 0;
    for ((_, nodes), faults) in &area.uses {
        // Somebody who used a page in a hundred uses them all: it is a sample.
        let faults = within(faults, 1);
        if faults > 0 {
            *users.entry(nodes.0).or_default() += faults;
            remote += if nodes.0 == nodes.1 { 0 } else { faults };
        }
    }
    let (there, used) = (homes.values().sum::<u64>(), users.values().sum::<u64>());
    if used == 0 {
        return 0;
    }
    if there == 0 {
        return remote.min((high - low) / PAGE);
    }
    // Users that are spread as the pages are have what they need.
    let surprised = homes
        .iter()
        .map(|(node, pages)| {
            let fair = u128::from(there) * u128::from(users.get(node).copied().unwrap_or(0))
                / u128::from(used);
            pages.saturating_sub(u64::try_from(fair).unwrap_or(u64::MAX))
        })
        .sum::<u64>();
    surprised.min(there)
}
