//! Comparing what was traced with what was told, showing both when they differ.
//!
//! A process takes pages beside those it is told to take: its program, stack, page tables, I/O. How many is measured, once in each
//! machine, by tracing a workload that is told to take one page; so nothing here depends on how the workload was built.

use std::sync::OnceLock;

use numatrace_tests::harness::report::Part;
use numatrace_tests::harness::tracer::{Outcome, Traced, Tracer};

use crate::support::machine::{at, whole_node};

/// Pages by which scenarios differ in what they take themselves: a thread's stack, a pipe to a child, one more line of output.
const MARGIN: u64 = 16;

/// What a workload takes itself, in pages.
#[derive(Debug)]
pub struct Own {
    whole: u64,
    by_kind: Vec<(String, u64)>,
}

impl Own {
    /// Measured on this machine.
    pub fn measured() -> &'static Self {
        static OWN: OnceLock<Own> = OnceLock::new();
        OWN.get_or_init(|| {
            let node = whole_node().to_string();
            let args = ["bind", "--node", &node, "--pages", "1", "--cpu-node", &node];
            let Ok(Outcome::Done(run)) = Tracer::new("compare::own").launch(&args) else {
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
            // The page it was told to take.
            .map(|(kind, pages)| {
                let told = u64::from(kind == "anon");
                (kind, pages - told)
            })
            .collect();
        Self {
            whole: by_kind.iter().map(|(_, pages)| pages).sum(),
            by_kind,
        }
    }

    /// All of it.
    pub fn whole(&self) -> u64 {
        self.whole
    }

    /// That of one kind of mapping.
    pub fn kind(&self, kind: &str) -> u64 {
        let found = self.by_kind.iter().find(|(name, _)| name == kind);
        found.map_or(0, |(_, pages)| *pages)
    }
}

/// `traced` is `told`, give or take a hundredth, and on top at most `own` pages and the margin.
pub fn within_a_hundredth(what: &str, traced: u64, told: u64, own: u64) {
    let slack = told / 100;
    assert!(
        traced + slack >= told && traced <= told + slack + own + MARGIN,
        "{what}: traced {traced}, told {told} (own {own} and {MARGIN})"
    );
}

/// `traced` is `told` and what a workload takes itself, both ways give or take a hundredth and the margin.
pub fn is_told_and_own(what: &str, traced: u64, told: u64, own: u64) {
    let slack = told / 100 + MARGIN;
    assert!(
        traced.abs_diff(told + own) <= slack,
        "{what}: traced {traced}, told {told} and its own {own}, give or take {slack}"
    );
}

/// A matrix per [task node][page node] has what was told in each cell, and what was told and the process's own pages in all.
pub fn matrix_has(what: &str, process: Part<'_>, pointer: &str, told: &[Vec<u64>]) {
    let own = Own::measured();
    let traced = process
        .matrix(pointer)
        .unwrap_or_else(|| panic!("{what}: no {pointer}"));
    for (i, row) in told.iter().enumerate() {
        for (j, &pages) in row.iter().enumerate() {
            within_a_hundredth(
                &format!("{what}: {pointer} [{i}][{j}] of {traced:?}"),
                traced[i][j],
                pages,
                own.whole(),
            );
        }
    }
    is_told_and_own(
        &format!("{what}: {pointer} {traced:?}"),
        traced.iter().flatten().sum(),
        told.iter().flatten().sum(),
        own.whole(),
    );
}

/// A process that was forked to take pages has them on its node; what it takes itself is little, as its program is there already.
pub fn child_has(what: &str, process: Part<'_>, node: u32, told: u64) {
    let matrix = process.matrix("/first_touch/pages").expect("first_touch");
    within_a_hundredth(what, matrix[at(node)][at(node)], told, MARGIN);
}
