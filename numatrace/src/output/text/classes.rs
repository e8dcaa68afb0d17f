//! What was allocated: size and use, by process.

use super::figures::Figures;
use super::page::Page;
use super::processes::{Row, fold_rest, named_rows};
use super::table::Table;
use crate::model::number;
use crate::model::{ByClass, Snapshot};

const LEGEND: &str = "In allocations. 4K: one base page for a user, page cache too; large: a larger folio; \
    THP: a transparent huge page; hugetlb: on its way into the pool; page tables: of users; kernel: slabs, stacks, buffers.";

/// A class by its field name and its header.
const COLUMNS: [(&str, &str); 6] = [
    ("user_4k", "4K"),
    ("user_large", "large"),
    ("thp", "THP"),
    ("hugetlb", "hugetlb"),
    ("page_table", "page tables"),
    ("kernel", "kernel"),
];

/// Writes the table of those that allocated most; classes that nobody used are left out.
pub fn write(page: &mut Page<'_>, snapshot: &Snapshot, limit: Option<usize>) {
    let mut rows = named_rows(snapshot);
    rows.retain(|row| row.figures.allocs.is_some_and(|allocs| allocs > 0));
    if rows.iter().all(|row| row.figures.classes.is_none()) {
        return;
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.figures.allocs));
    fold_rest(&mut rows, limit);
    let total = Figures::sum(rows.iter().map(|row| &row.figures));
    rows.push(Row {
        id: String::new(),
        name: "total".into(),
        figures: total,
    });
    page.section("What was allocated");
    let mut table = Table::new(2);
    table.right("PID", rows.iter().map(|row| row.id.clone()).collect());
    table.left("process", rows.iter().map(|row| row.name.clone()).collect());
    for (class, header) in COLUMNS {
        let cells: Vec<Option<u64>> = rows
            .iter()
            .map(|row| {
                row.figures
                    .classes
                    .map(|classes| allocations(&classes, class))
            })
            .collect();
        if cells.iter().any(|cell| cell.is_some_and(|count| count > 0)) {
            table.right(header, cells.into_iter().map(number::count).collect());
        }
    }
    page.table(&table);
    page.legend(LEGEND);
}

fn allocations(classes: &ByClass, class: &str) -> u64 {
    let named = classes.named();
    let found = named.iter().find(|(name, _)| *name == class);
    found.map_or(0, |(_, tally)| tally.allocations)
}
