//! Mappings whose users came nearer or went away.

use super::cells;
use crate::ids::NodeId;
use crate::model::diff::{Diff, MappingChange, Place};
use crate::model::number::{self, UNKNOWN};
use crate::output::escape;
use crate::output::text::page::Page;
use crate::output::text::table::Table;

/// What makes a mapping worth a row.
const TELLING: [&str; 3] = [
    "surprise_share",
    "local_access_share",
    "remote_first_touch_share",
];

/// Mappings whose first touch is told in a line of its own.
const EXPLAINED: usize = 3;

/// Pages below which a mapping on one side only is no news: 1 MiB of small ones.
const WORTH_REPORTING: f64 = 256.0;

/// Writes those that changed, most pages first.
pub fn write(page: &mut Page<'_>, diff: &Diff, rows: Option<usize>) {
    let mut changed: Vec<(String, &MappingChange)> = diff
        .processes
        .iter()
        .flat_map(|process| {
            let comm = escape::text(process.comm.as_bytes()).into_owned();
            let telling = process.mappings.iter().filter(|mapping| telling(mapping));
            telling.map(move |mapping| (comm.clone(), mapping))
        })
        .collect();
    let all = changed.len();
    changed.truncate(rows.unwrap_or(usize::MAX));
    if changed.is_empty() {
        return;
    }
    page.section("Memory by mapping, what changed");
    let column = |of: &dyn Fn(&MappingChange) -> String| {
        changed.iter().map(|(_, mapping)| of(mapping)).collect()
    };
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
        "MiB",
        column(&|mapping| {
            let page_size = diff.after.host.page_size;
            pair(
                &mib(mapping.before.as_ref(), page_size),
                &mib(mapping.after.as_ref(), page_size),
            )
        }),
    );
    table.right(
        "lies on",
        column(&|mapping| nodes(mapping, |place| place.node)),
    );
    table.right(
        "used from",
        column(&|mapping| nodes(mapping, |place| place.used_from)),
    );
    for (heading, name) in [
        ("away from users %", "surprise_share"),
        ("local accesses %", "local_access_share"),
        ("touched from afar %", "remote_first_touch_share"),
    ] {
        table.right(
            heading,
            column(&|mapping| cells::both(name, mapping.changes.get(name))),
        );
    }
    page.table(&table);
    for (comm, mapping) in changed.iter().take(EXPLAINED) {
        let told =
            |place: &Option<Place>| place.as_ref().and_then(|place| place.touched_in.clone());
        let (before, after) = (told(&mapping.before), told(&mapping.after));
        let name = escape::text(mapping.name.as_bytes()).into_owned();
        for (word, stack) in [("before", before), ("after", after)] {
            if let Some(stack) = stack {
                page.item(
                    None,
                    &format!("{comm}, {name}, {word}: {}", escape::text(stack.as_bytes())),
                );
            }
        }
    }
    let cut = all - changed.len();
    if cut > 0 {
        page.legend(&format!(
            "{} more changed (-n shows more rows)",
            number::plural(cut, "mapping")
        ));
    }
}

/// Did its users come nearer or go away, or is a large one there on one side only?
fn telling(mapping: &MappingChange) -> bool {
    let changed = TELLING.iter().any(|name| {
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

/// `a → b`, or one where they are alike.
fn pair(before: &str, after: &str) -> String {
    if before == after {
        before.to_owned()
    } else {
        format!("{before} → {after}")
    }
}
