//! Allocations by size and use, per process.

use super::processes::{add_total, fold_rest, named_rows};
use crate::model::number;
use crate::model::quantity::headers::{CLASSES, legend_of_parts};
use crate::model::{ByClass, Snapshot};
use crate::output::format::{page::Page, table::Table};

/// Writes the table, most allocations first; classes without allocations are left out.
pub fn write(page: &mut Page<'_>, snapshot: &Snapshot, limit: Option<usize>) {
    let mut rows = named_rows(snapshot);
    rows.retain(|row| row.figures.allocs.is_some_and(|allocs| allocs > 0));
    if rows.iter().all(|row| row.figures.classes.is_none()) {
        return;
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.figures.allocs));
    fold_rest(&mut rows, limit);
    add_total(&mut rows);
    page.section("Allocations by size and use");
    let mut table = Table::new(2);
    table.right("PID", rows.iter().map(|row| row.id.clone()).collect());
    table.left("process", rows.iter().map(|row| row.name.clone()).collect());
    let mut shown = Vec::new();
    for (position, class) in CLASSES.into_iter().enumerate() {
        let cells: Vec<Option<u64>> = rows
            .iter()
            .map(|row| row.figures.classes.map(|of| allocations(&of, position)))
            .collect();
        if cells.iter().any(|cell| cell.is_some_and(|count| count > 0)) {
            table.right(class.header, cells.into_iter().map(number::count).collect());
            shown.push(class);
        }
    }
    page.table(&table);
    page.legend(&legend_of_parts(&shown));
}

fn allocations(classes: &ByClass, position: usize) -> u64 {
    let (_, tally) = classes.named()[position];
    tally.allocations
}
