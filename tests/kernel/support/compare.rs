//! Compares traced counts with the workload's ground truth, and shows both when they differ.
//!
//! A process takes pages besides those of its scenario: its program, stack, page tables, I/O. This
//! overhead is measured once on each machine, by tracing a workload of one page, so nothing here
//! depends on how the workload was built.

use std::sync::OnceLock;

use numatrace_tests::harness::report::Part;
use numatrace_tests::harness::tracer::{Outcome, Traced, Tracer};

use crate::support::machine::{at, whole_node};

/// Pages by which the overhead of scenarios differs: a thread's stack, a pipe to a child, one more
/// line of output.
const MARGIN: u64 = 16;

/// The pages that a workload takes besides those of its scenario.
#[derive(Debug)]
pub struct Overhead {
    whole: u64,
    by_kind: Vec<(String, u64)>,
}

impl Overhead {
    /// Returns the overhead on this machine.
    pub fn measured() -> &'static Self {
        static OVERHEAD: OnceLock<Overhead> = OnceLock::new();
        OVERHEAD.get_or_init(|| {
            let node = whole_node().to_string();
            let args = ["bind", "--node", &node, "--pages", "1", "--cpu-node", &node];
            let Ok(Outcome::Done(run)) = Tracer::new("compare::overhead").launch(&args) else {
                panic!("a workload of one page cannot be traced");
            };
            Self::of(&run)
        })
    }

    fn of(run: &Traced) -> Self {
        let process = run.report.process(run.truth.pid()).expect("it is named");
        let kinds = process.0["first_touch"]["by_kind"].as_object();
        let by_kind: Vec<(String, u64)> = kinds
            .expect("by_kind")
            .iter()
            .map(|(kind, pages)| (kind.clone(), pages.as_u64().unwrap_or(0)))
            // The one page of its scenario.
            .map(|(kind, pages)| {
                let expected = u64::from(kind == "anon");
                (kind, pages - expected)
            })
            .collect();
        Self {
            whole: by_kind.iter().map(|(_, pages)| pages).sum(),
            by_kind,
        }
    }

    /// Returns the overhead in all kinds of mappings.
    pub fn whole(&self) -> u64 {
        self.whole
    }

    /// Returns the overhead in one kind of mapping.
    pub fn kind(&self, kind: &str) -> u64 {
        let found = self.by_kind.iter().find(|(name, _)| name == kind);
        found.map_or(0, |(_, pages)| *pages)
    }
}

/// Asserts that `traced` is `expected`, give or take a hundredth, and above that at most `overhead`
/// pages and the margin.
pub fn within_a_hundredth(what: &str, traced: u64, expected: u64, overhead: u64) {
    let slack = expected / 100;
    assert!(
        traced + slack >= expected && traced <= expected + slack + overhead + MARGIN,
        "{what}: traced {traced}, expected {expected} (overhead {overhead} and {MARGIN})"
    );
}

/// Asserts that `traced` is `expected` with `overhead`, give or take a hundredth and the margin
/// both ways.
pub fn is_expected_with_overhead(what: &str, traced: u64, expected: u64, overhead: u64) {
    let slack = expected / 100 + MARGIN;
    assert!(
        traced.abs_diff(expected + overhead) <= slack,
        "{what}: traced {traced}, expected {expected} and {overhead} more, give or take {slack}"
    );
}

/// Asserts that a matrix per [task node][page node] has the expected pages in each element, and the
/// expected pages with the overhead in all.
pub fn matrix_has(what: &str, process: Part<'_>, pointer: &str, expected: &[Vec<u64>]) {
    let overhead = Overhead::measured();
    let traced = process
        .matrix(pointer)
        .unwrap_or_else(|| panic!("{what}: no {pointer}"));
    for (i, row) in expected.iter().enumerate() {
        for (j, &pages) in row.iter().enumerate() {
            within_a_hundredth(
                &format!("{what}: {pointer} [{i}][{j}] of {traced:?}"),
                traced[i][j],
                pages,
                overhead.whole(),
            );
        }
    }
    is_expected_with_overhead(
        &format!("{what}: {pointer} {traced:?}"),
        traced.iter().flatten().sum(),
        expected.iter().flatten().sum(),
        overhead.whole(),
    );
}

/// Asserts that a process forked to take pages has them on its node. Its overhead is little, as its
/// program is in memory already.
pub fn child_has(what: &str, process: Part<'_>, node: u32, expected: u64) {
    let matrix = process.matrix("/first_touch/pages").expect("first_touch");
    within_a_hundredth(what, matrix[at(node)][at(node)], expected, MARGIN);
}
