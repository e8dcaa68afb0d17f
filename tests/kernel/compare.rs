//! Comparing what was traced with what was told, showing both when they differ.

use numatrace_tests::harness::report::Part;

/// What a process of the size of the workload takes beside what it is told to: its program, stack, page tables and I/O, in pages.
pub const OWN: u64 = 150;

/// `traced` is `told`, give or take a hundredth and `own` pages on top.
pub fn within_a_hundredth(what: &str, traced: u64, told: u64, own: u64) {
    let slack = told / 100;
    assert!(
        traced + slack >= told && traced <= told + slack + own,
        "{what}: traced {traced}, told {told} (own {own})"
    );
}

/// A matrix per [task node][page node] has what was told in each cell, give or take a hundredth and the process's own pages.
pub fn matrix_has(what: &str, process: Part<'_>, pointer: &str, told: &[Vec<u64>]) {
    let traced = process
        .matrix(pointer)
        .unwrap_or_else(|| panic!("{what}: no {pointer}"));
    for (i, row) in told.iter().enumerate() {
        for (j, &pages) in row.iter().enumerate() {
            within_a_hundredth(
                &format!("{what}: {pointer} [{i}][{j}] of {traced:?}"),
                traced[i][j],
                pages,
                OWN,
            );
        }
    }
}
