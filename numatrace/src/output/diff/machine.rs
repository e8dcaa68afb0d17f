//! The whole machine: each quantity with both values, the change, and its significance.

use super::cells;
use crate::model::diff::{Change, Diff};
use crate::model::number;
use crate::model::quantity::{Quantity, Unit, find, headers::COMPARISON};
use crate::output::format::{page::Page, table::Table};

/// The rows, those that decide first; the JSON document has every quantity.
const ROWS: [&str; 17] = [
    "local_share",
    "local_access_share",
    "remote_first_touch_share",
    "surprise_share",
    "allocations",
    "numa_miss",
    "numa_foreign",
    "surprise_pages",
    "remote_hint_faults",
    "migrated_pages",
    "cross_node_moves",
    "cross_llc_moves",
    "ping_pong",
    "away_share",
    "placement_mismatch",
    "run_s",
    "findings",
];

/// Writes the table.
pub fn write(page: &mut Page<'_>, diff: &Diff) {
    let rows: Vec<(&Quantity, &Change)> = ROWS
        .into_iter()
        .filter_map(|name| Some((find(name)?, diff.machine.get(name)?)))
        .collect();
    if rows.is_empty() {
        return;
    }
    page.section("The whole machine");
    let [before, after, change, verdict, p, samples] = COMPARISON;
    let column =
        |of: &dyn Fn(&Quantity, &Change) -> String| rows.iter().map(|(q, c)| of(q, c)).collect();
    // Sizes of the sessions' own base pages: they differ only between architectures.
    let pages_of = |host: &crate::model::Host| host.page_size;
    let (old, new) = (pages_of(&diff.before.host), pages_of(&diff.after.host));
    let mut table = Table::new(1);
    table.left("quantity", column(&|q, _| q.header()));
    table.right(
        before.header,
        column(&|q, change| cells::value(q.unit, change.before, old)),
    );
    table.right(
        after.header,
        column(&|q, change| cells::value(q.unit, change.after, new)),
    );
    table.right(
        change.header,
        column(&|q, change| cells::difference(q.name, change, new)),
    );
    table.left(
        verdict.header,
        column(&|_, change| change.verdict.in_words().into()),
    );
    table.right(
        p.header,
        column(&|_, change| cells::probability(change.test.and_then(|test| test.p))),
    );
    table.left(
        samples.header,
        column(&|q, change| match change.test {
            Some(test) if q.unit == Unit::Share => format!(
                "{}, {}",
                number::grouped(test.n_before),
                number::grouped(test.n_after)
            ),
            _ => String::new(),
        }),
    );
    page.table(&table);
    page.legend(
        "Shares: two-proportion test over the samples. Counts: Poisson test of the rates per \
         second. A change is significant when p < 0.001 and it is at least half a point, or a \
         tenth of the rate.",
    );
}
