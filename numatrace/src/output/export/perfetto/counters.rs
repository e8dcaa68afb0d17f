//! Counters per node: numastat's six, pages, and arrivals. Each starts at 0 and has the sum so far
//! at the end of each report.

use std::collections::BTreeMap;

use super::trace::{Trace, Track};
use crate::ids::NodeId;
use crate::model::Snapshot;
use crate::model::quantity::{ALL, Measured, Measures, Of, Unit};

/// The counters of all nodes, with their sums so far.
pub struct Counters {
    nodes: BTreeMap<NodeId, Track>,
    sums: BTreeMap<(NodeId, &'static str), (Track, u64)>,
}

impl Counters {
    /// Starts with a track for each node.
    pub fn new(trace: &mut Trace, first: &Snapshot) -> Self {
        let mut counters = Self {
            nodes: BTreeMap::new(),
            sums: BTreeMap::new(),
        };
        for node in &first.host.nodes {
            counters.node(trace, node.node);
        }
        counters
    }

    fn node(&mut self, trace: &mut Trace, node: NodeId) -> Track {
        *self
            .nodes
            .entry(node)
            .or_insert_with(|| node_track(trace, node))
    }

    /// Adds the counts of a report, at its end.
    pub fn add(&mut self, trace: &mut Trace, report: &Snapshot, at: u64) {
        for (position, node) in report.host.nodes.iter().enumerate() {
            let parent = self.node(trace, node.node);
            let measures = Measures::of_node(report, position);
            let counted = ALL.iter().enumerate().filter(|(_, quantity)| {
                quantity.of.contains(&Of::Node) && quantity.unit != Unit::Share
            });
            for (rank, quantity) in counted {
                // Times keep their nanoseconds.
                let (name, unit, count) = match (quantity.read)(&measures) {
                    Some(Measured::Count(count)) => (quantity.name, quantity.unit.name(), count),
                    Some(Measured::Time(ns)) => ("run_ns", "ns", ns),
                    _ => continue,
                };
                let (counter, sum) = self.sums.entry((node.node, name)).or_insert_with(|| {
                    let rank = i32::try_from(rank).unwrap_or(i32::MAX);
                    let counter = trace.counter(parent, name, unit, rank);
                    trace.value(counter, 0, 0);
                    (counter, 0)
                });
                *sum = sum.saturating_add(count);
                trace.value(*counter, at, *sum);
            }
        }
    }
}

/// Returns the track of a node, the parent of all tracks of the node.
pub fn node_track(trace: &mut Trace, node: NodeId) -> Track {
    trace.root(&format!("node {node}"), 1 + i32::from(node.0))
}
