//! Mappings of matched processes: the same file or kind of memory on both sides, the same size first.
//!
//! Addresses change from run to run, so a mapping is known by its kind and name; among several of a name the same address comes first, then
//! the same size, then the order by pages.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::{Changes, Pair, most};
use crate::ids::NodeId;
use crate::model::finding::memory;
use crate::model::quantity::{Measures, Quantity, find};
use crate::model::{Addr, Mapping, MappingKind, Name, Process, Snapshot};

/// What is compared of a mapping.
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

/// Functions that are named of a stack: the innermost ones are often a library's.
const FUNCTIONS: usize = 8;

/// One mapping on both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MappingChange {
    /// As a person knows it.
    pub name: Name,
    /// What kind of memory it is.
    pub kind: MappingKind,
    /// In the first session; `None` when it was not there, or nothing happened in it.
    pub before: Option<Place>,
    /// In the second session.
    pub after: Option<Place>,
    /// What changed.
    pub changes: Changes,
}

/// Where a mapping was, and whose.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Place {
    /// First address.
    pub start: Addr,
    /// First address behind it.
    pub end: Addr,
    /// The node that most of it was put on.
    pub node: Option<NodeId>,
    /// The nodes that most of its uses came from.
    pub used_from: Option<NodeId>,
    /// The functions that touched it first, as far as a stack was taken: innermost first, with their lines.
    pub touched_in: Option<String>,
}

/// The mappings of a pair of processes.
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

/// Pages that change says something about: those with their users elsewhere, on either side; then those touched.
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
            side.sort_by_key(|mapping| (Reverse(memory::touched(mapping)), mapping.start));
        }
        let size = |mapping: &Mapping| mapping.end.0.saturating_sub(mapping.start.0);
        let mut matched = Vec::new();
        self.take(&mut matched, |a, b| a.start == b.start && a.end == b.end);
        self.take(&mut matched, |a, b| size(a) == size(b));
        self.take(&mut matched, |_, _| true);
        matched.extend(self.before.into_iter().map(|mapping| (Some(mapping), None)));
        matched.extend(self.after.into_iter().map(|mapping| (None, Some(mapping))));
        matched
    }

    /// Takes out those that `same` finds alike, each once.
    fn take(
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
        node: node(memory::home(host, mapping)),
        used_from: memory::faults(mapping).and_then(|faults| most(host, &faults.by_from())),
        touched_in: memory::touched_in(snapshot, mapping, FUNCTIONS),
    }
}
