//! Mappings whose remote use changed.

use super::cells;
use crate::ids::NodeId;
use crate::model::diff::{Diff, MappingChange, Place};
use crate::model::number::{self, UNKNOWN};
use crate::model::quantity::headers::SIZE;
use crate::output::escape;
use crate::output::format::{page::Page, table::Table, tone::Tone};

/// Quantities whose change makes a mapping worth a row.
const DECISIVE: [&str; 3] = [
    "surprise_share",
    "local_access_share",
    "remote_first_touch_share",
];

/// Mappings whose first touch has a line of its own.
const EXPLAINED: usize = 3;

/// Least pages for a mapping that is on one side only: 1 MiB of small ones.
const WORTH_REPORTING: f64 = 256.0;

/// Writes the mappings that changed, most pages first.
pub fn write(page: &mut Page<'_>, diff: &Diff, rows: Option<usize>) {
    let mut changed: Vec<(String, &MappingChange)> = diff
        .processes
        .iter()
        .flat_map(|process| {
            let comm = escape::text(process.comm.as_bytes()).into_owned();
            let matters = process.mappings.iter().filter(|mapping| matters(mapping));
            matters.map(move |mapping| (comm.clone(), mapping))
        })
        .collect();
    let all = changed.len();
    changed.truncate(rows.unwrap_or(usize::MAX));
    if changed.is_empty() {
        return;
    }
    page.section("Memory by mapping, changes only");
    let column = |of: &dyn Fn(&MappingChange) -> String| {
        changed.iter().map(|(_, mapping)| of(mapping)).collect()
    };
    let page_size = diff.after.host.page_size;
    let mut table = Table::new(2);
    table.left(
        "process",
        changed.iter().map(|(comm, _)| comm.clone()).collect(),
    );
    table.left(
        "mapping",
        column(&|mapping| escape::text(mapping.name.as_bytes()).into_owned()),
    );
    table.right(
        SIZE.header,
        column(&|mapping| {
            pair(
                &mib(mapping.before.as_ref(), page_size),
                &mib(mapping.after.as_ref(), page_size),
            )
        }),
    );
    table.right(
        "mostly on",
        column(&|mapping| nodes(mapping, |place| place.node)),
    );
    table.right(
        "used from",
        column(&|mapping| nodes(mapping, |place| place.used_from)),
    );
    for name in DECISIVE {
        table.right(
            cells::header_of_both(name),
            column(&|mapping| cells::both(name, mapping.changes.get(name), page_size)),
        );
    }
    page.table(&table);
    for (comm, mapping) in changed.iter().take(EXPLAINED) {
        let touched =
            |place: &Option<Place>| place.as_ref().and_then(|place| place.touched_in.clone());
        let (before, after) = (touched(&mapping.before), touched(&mapping.after));
        let name = escape::text(mapping.name.as_bytes()).into_owned();
        for (word, stack) in [("before", before), ("after", after)] {
            if let Some(stack) = stack {
                page.item(
                    Tone::Plain,
                    &format!("{comm}, {name}, {word}: {}", escape::text(stack.as_bytes())),
                );
            }
        }
    }
    let hidden = all - changed.len();
    if hidden > 0 {
        page.legend(&format!(
            "{} changed (-n shows more rows)",
            number::plural(hidden, "more mapping")
        ));
    }
}

/// Returns whether the remote use of the mapping changed, or a large mapping is on one side only.
fn matters(mapping: &MappingChange) -> bool {
    let changed = DECISIVE.iter().any(|name| {
        let change = mapping.changes.get(name);
        change.is_some_and(|change| change.verdict.is_change())
    });
    let one_sided = mapping.before.is_none() || mapping.after.is_none();
    let large = mapping.changes.get("surprise_pages").is_some_and(|change| {
        change
            .before
            .unwrap_or(0.0)
            .max(change.after.unwrap_or(0.0))
            >= WORTH_REPORTING
    });
    changed || (one_sided && large)
}

fn mib(place: Option<&Place>, page_size: u64) -> String {
    let pages = place.and_then(|place| {
        place
            .end
            .0
            .saturating_sub(place.start.0)
            .checked_div(page_size)
    });
    number::mib(pages, page_size)
}

fn nodes(mapping: &MappingChange, of: fn(&Place) -> Option<NodeId>) -> String {
    let node = |place: &Option<Place>| {
        let node = place.as_ref().and_then(of);
        node.map_or_else(|| UNKNOWN.to_owned(), |node| format!("node {node}"))
    };
    pair(&node(&mapping.before), &node(&mapping.after))
}

/// Formats `a → b`, or one where they are equal.
fn pair(before: &str, after: &str) -> String {
    if before == after {
        before.to_owned()
    } else {
        format!("{before} → {after}")
    }
}
