//! Sentences about nodes that are short of memory, and where there is some.

use super::ratio;
use crate::ids::{NodeId, ranges};
use crate::model::stat::counters::CounterSection;
use crate::model::stat::pressure::{NodePressure, PressureSection};

/// Share of a node's memory above which its free memory counts as available to other nodes.
const PLENTY: f64 = 0.05;

/// Returns the sentences. Without counters and their growth, only the present state is judged.
#[must_use]
pub fn sentences(section: &PressureSection, counters: Option<&CounterSection>) -> Vec<String> {
    let mut said: Vec<String> = all_short(section).into_iter().collect();
    let all = !said.is_empty();
    let swapped = section.growth("pswpout").filter(|&pages| pages > 0);
    for (position, node) in section.nodes.iter().enumerate() {
        let growth = counters.and_then(|counters| {
            let interval = counters.interval.as_ref()?;
            interval.nodes.get(position).copied().flatten()
        });
        let foreign = growth.map_or(0, |growth| growth.counters.numa_foreign);
        let short = node.is_short();
        let free = free(node).map_or_else(String::new, |free| format!(", {free}"));
        let there = elsewhere(section, node.node).map(|other| {
            let free = self::free(other).unwrap_or_default();
            format!("node {} has {free}", other.node)
        });
        if foreign > 0 {
            let why = if short {
                "it is below its low watermark"
            } else {
                "it was short of free memory"
            };
            let there = match &there {
                Some(there) => format!(", while {there}"),
                None => ", and no other node has much".to_owned(),
            };
            said.push(format!(
                "{foreign} allocations wanted node {} and went elsewhere: {why}{free}{there}.",
                node.node
            ));
        } else if short && !all {
            said.push(match &there {
                Some(there) => format!(
                    "Node {} is below its low watermark{free}, while {there}: new memory goes \
                     there, or waits for reclaim.",
                    node.node
                ),
                None => format!(
                    "Node {} is below its low watermark{free}, and no other node has much: new \
                     memory waits for reclaim.",
                    node.node
                ),
            });
        }
        if short && let (Some(pages), Some(there)) = (swapped, &there) {
            said.push(format!(
                "{pages} pages were swapped out while {there}: processes bound to node {} cannot \
                 use it; interleave or bind less.",
                node.node
            ));
        }
        said.extend(kernel_only(node));
    }
    said
}

/// Returns the sentence for a machine whose nodes are all short. Only nodes with memory count.
fn all_short(section: &PressureSection) -> Option<String> {
    let with_memory = || {
        let nodes = section.nodes.iter();
        nodes.filter(|node| !node.zones.is_empty())
    };
    if with_memory().count() < 2 || !with_memory().all(NodePressure::is_short) {
        return None;
    }
    let nodes = ranges(with_memory().map(|node| u32::from(node.node.0)));
    let each: Vec<String> = with_memory()
        .filter_map(|node| Some(format!("node {} has {}", node.node, free(node)?)))
        .collect();
    let (watermark, means) = if with_memory().all(is_below_min) {
        (
            "min",
            "allocations reclaim memory themselves before they get any",
        )
    } else {
        (
            "low",
            "kswapd reclaims on all of them, and allocations wait for it",
        )
    };
    Some(format!(
        "All nodes ({nodes}) are below their {watermark} watermarks: {means}. {}.",
        capital(&each.join(", "))
    ))
}

/// Returns the sentence for a node that has room for programs and none for the kernel.
fn kernel_only(node: &NodePressure) -> Option<String> {
    let room = node.room?;
    let full = room.kernel_kib == Some(0) && room.user_kib.is_some_and(|kib| kib > 0);
    full.then(|| {
        format!(
            "Node {} has {} MB for programs and none for the kernel's own memory (slab, page \
             tables, network buffers), which cannot come from the Movable zone.",
            node.node,
            room.user_kib.unwrap_or(0) / 1024
        )
    })
}

fn is_below_min(node: &NodePressure) -> bool {
    let largest = node.zones.iter().max_by_key(|zone| zone.managed_kib);
    largest.is_some_and(|zone| zone.free_kib < zone.min_kib)
}

/// Returns the node with most free memory, besides `full`, when it has much.
fn elsewhere(section: &PressureSection, full: NodeId) -> Option<&NodePressure> {
    let plenty = |node: &&NodePressure| {
        let (Some(free), Some(total)) = (node.free_kib, node.total_kib) else {
            return false;
        };
        node.node != full
            && total > 0
            && ratio(free, total) > PLENTY
            && node.above_low_kib.is_none_or(|kib| kib > 0)
    };
    let others = section.nodes.iter().filter(plenty);
    others.max_by_key(|node| node.free_kib)
}

fn free(node: &NodePressure) -> Option<String> {
    node.free_kib.map(|kib| format!("{} MB free", kib / 1024))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
