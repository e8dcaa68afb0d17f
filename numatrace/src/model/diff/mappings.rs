//! Mappings of matched processes, matched by kind, name, address and size.
//!
//! Addresses change from execution to execution, so kind and name identify a mapping; among several
//! with one name, equal addresses are matched first, then equal sizes, then by order of pages.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::{Changes, Pair};
use crate::ids::NodeId;
use crate::model::finding::memory;
use crate::model::quantity::{Measures, Quantity, find};
use crate::model::{Addr, Mapping, MappingKind, Name, Process, Snapshot};

/// Quantities of a mapping that are compared.
const QUANTITIES: [&str; 9] = [
    "first_touch_pages",
    "remote_first_touch_pages",
    "remote_first_touch_share",
    "surprise_pages",
    "surprise_share",
    "hint_faults",
    "remote_hint_faults",
    "local_access_share",
    "remote_access_share",
];

/// Functions of a stack that are named: the innermost ones often belong to a library.
const FUNCTIONS: usize = 8;

/// One mapping on both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MappingChange {
    /// Name of the mapping.
    pub name: Name,
    /// Kind of memory.
    pub kind: MappingKind,
    /// The mapping in the first session; `None` when the first report does not have it.
    pub before: Option<Place>,
    /// The mapping in the second session.
    pub after: Option<Place>,
    /// Changes of its quantities.
    pub changes: Changes,
}

/// Addresses and nodes of a mapping in one session.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Place {
    /// First address.
    pub start: Addr,
    /// Address after the last byte.
    pub end: Addr,
    /// The node with most of its pages.
    pub node: Option<NodeId>,
    /// The node with most of its sampled accesses.
    pub used_from: Option<NodeId>,
    /// The functions that touched it first, innermost first and with lines, if a stack was taken.
    pub touched_in: Option<String>,
}

/// Compares the mappings of a pair of processes.
pub fn mappings(
    old: &Snapshot,
    new: &Snapshot,
    pair: &Pair<'_>,
    seconds: (f64, f64),
) -> Vec<MappingChange> {
    let mut groups: BTreeMap<(MappingKind, &Name), Sides<'_>> = BTreeMap::new();
    for mapping in of(&pair.before) {
        let sides = groups.entry((mapping.kind, &mapping.name)).or_default();
        sides.before.push(mapping);
    }
    for mapping in of(&pair.after) {
        let sides = groups.entry((mapping.kind, &mapping.name)).or_default();
        sides.after.push(mapping);
    }
    let mut changes: Vec<MappingChange> = groups
        .into_iter()
        .flat_map(|((kind, name), sides)| {
            sides
                .matched()
                .into_iter()
                .map(move |(before, after)| change(old, new, kind, name, (before, after), seconds))
        })
        .collect();
    changes.sort_by_key(|change| Reverse(weight(change)));
    changes
}

fn of<'a>(processes: &[&'a Process]) -> impl Iterator<Item = &'a Mapping> {
    processes.iter().flat_map(|process| &process.mappings)
}

/// Returns the key of the order of mappings: pages used remotely on either side, then pages
/// touched.
fn weight(change: &MappingChange) -> (u64, u64) {
    let larger = |name: &str| {
        let change = change.changes.get(name)?;
        let value = change
            .before
            .unwrap_or(0.0)
            .max(change.after.unwrap_or(0.0));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturating; an order of pages"
        )]
        Some(value as u64)
    };
    (
        larger("surprise_pages").unwrap_or(0),
        larger("first_touch_pages").unwrap_or(0),
    )
}

/// The mappings of one name.
#[derive(Default)]
struct Sides<'a> {
    before: Vec<&'a Mapping>,
    after: Vec<&'a Mapping>,
}

impl<'a> Sides<'a> {
    fn matched(mut self) -> Vec<(Option<&'a Mapping>, Option<&'a Mapping>)> {
        for side in [&mut self.before, &mut self.after] {
            side.sort_by_key(|mapping| (Reverse(mapping.touched()), mapping.start));
        }
        let size = |mapping: &Mapping| mapping.end.0.saturating_sub(mapping.start.0);
        let mut matched = Vec::new();
        self.match_by(&mut matched, |a, b| a.start == b.start && a.end == b.end);
        self.match_by(&mut matched, |a, b| size(a) == size(b));
        self.match_by(&mut matched, |_, _| true);
        matched.extend(self.before.into_iter().map(|mapping| (Some(mapping), None)));
        matched.extend(self.after.into_iter().map(|mapping| (None, Some(mapping))));
        matched
    }

    /// Moves the pairs for which `same` holds to `matched`, each mapping once.
    fn match_by(
        &mut self,
        matched: &mut Vec<(Option<&'a Mapping>, Option<&'a Mapping>)>,
        same: impl Fn(&Mapping, &Mapping) -> bool,
    ) {
        let after = &mut self.after;
        self.before.retain(|before| {
            let Some(at) = after.iter().position(|after| same(before, after)) else {
                return true;
            };
            matched.push((Some(before), Some(after.remove(at))));
            false
        });
    }
}

fn change(
    old: &Snapshot,
    new: &Snapshot,
    kind: MappingKind,
    name: &Name,
    (before, after): (Option<&Mapping>, Option<&Mapping>),
    seconds: (f64, f64),
) -> MappingChange {
    let quantities = QUANTITIES
        .iter()
        .filter_map(|name| find(name))
        .collect::<Vec<&'static Quantity>>();
    MappingChange {
        name: name.clone(),
        kind,
        before: before.map(|mapping| place(old, mapping)),
        after: after.map(|mapping| place(new, mapping)),
        changes: Changes::of_these(
            quantities,
            before.map(Measures::of_mapping).as_ref(),
            after.map(Measures::of_mapping).as_ref(),
            seconds,
        ),
    }
}

fn place(snapshot: &Snapshot, mapping: &Mapping) -> Place {
    let host = &snapshot.host;
    let node = |position: Option<usize>| Some(host.nodes.get(position?)?.node);
    Place {
        start: mapping.start,
        end: mapping.end,
        node: node(mapping.home()),
        used_from: node(
            mapping
                .accesses()
                .and_then(|faults| faults.by_from().most()),
        ),
        touched_in: memory::touched_in(snapshot, mapping, FUNCTIONS),
    }
}
