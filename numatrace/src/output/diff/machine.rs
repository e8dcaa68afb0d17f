//! The whole machine: each quantity with both values, the change, and how it was told from chance.

use super::cells;
use crate::model::diff::{Change, Diff};
use crate::model::number;
use crate::model::quantity::{Quantity, Unit, find};
use crate::output::text::page::Page;
use crate::output::text::table::Table;

/// The rows, those a reader asks for first above; JSON has every quantity.
const ROWS: [&str; 15] = [
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
    "ping_pong",
    "away_share",
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
    let column = |of: fn(&(&Quantity, &Change)) -> String| rows.iter().map(of).collect();
    let mut table = Table::new(1);
    table.left(
        "quantity",
        column(|(quantity, _)| {
            let percent = if quantity.unit == Unit::Share {
                " %"
            } else {
                ""
            };
            format!("{}{percent}", quantity.name)
        }),
    );
    table.right(
        "before",
        column(|(q, change)| cells::value(q.unit, change.before)),
    );
    table.right(
        "after",
        column(|(q, change)| cells::value(q.unit, change.after)),
    );
    table.right(
        "change",
        column(|(q, change)| cells::difference(q.name, change)),
    );
    table.left(
        "verdict",
        column(|(_, change)| change.verdict.in_words().into()),
    );
    table.right(
        "p",
        column(|(_, change)| cells::probability(change.test.and_then(|test| test.p))),
    );
    table.left(
        "told from",
        column(|(quantity, change)| match change.test {
            Some(test) if quantity.unit == Unit::Share => format!(
                "{}, {}",
                number::grouped(test.n_before),
                number::grouped(test.n_after)
            ),
            _ => String::new(),
        }),
    );
    page.table(&table);
    page.legend(
        "shares: two-proportion test, told from so many events; counts: Poisson test of the rates per second, told from the counts; \
         a change counts when p < 0.001 and it is half a point, or a tenth of the rate",
    );
}
