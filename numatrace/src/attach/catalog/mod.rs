//! The hook table: the probes of each stem, their fallback, their cost, and what is lost without
//! them.
//!
//! [`HOOKS`] is the one list of hooks: sessions try them in its order, `doctor` explains them,
//! `docs/hooks.md` prints them, and the reports name them. There is one file of rows for each
//! family.

mod allocations;
mod balancing;
mod cost;
mod failures;
mod faults;
mod migrations;
mod names;
mod row;
mod tasks;

pub use cost::{Cost, RunTime};
pub use names::{
    ALLOC_BULK, ALLOC_FAILED, ALLOC_FALLBACK, ALLOC_POLICY, BALANCER, BALANCER_SKIP,
    DIRECT_RECLAIM, HINT_FAULT, HUGETLB_FAILED, HUGETLB_FAULT, NUMASTAT_FOLD, OOM_KILL, PAGE_ALLOC,
    PAGE_CACHE, PAGE_CAPTURED, PAGE_FAULT, PAGE_MIGRATION, POLICY_REFUSED, POLICY_SECCOMP,
    SHMEM_FILL, TASK_BIND, TASK_LIFE, TASK_MOVE, TASK_RUN, TASK_RUN_NOW, USERFAULT,
};
pub use row::{HookKind, Probe, Row};

/// All hooks, in the order in which they are attached: names first, so that no process is counted
/// without one.
pub const HOOKS: &[Row] = &[
    tasks::LIFE,
    tasks::RUN,
    tasks::MOVE,
    tasks::BIND,
    allocations::SINGLE,
    faults::FIRST_TOUCH,
    faults::PAGE_CACHE,
    faults::SHMEM_FILL,
    faults::HUGETLB,
    allocations::BULK,
    allocations::POLICY,
    faults::USERFAULT,
    faults::CAPTURED,
    balancing::HINT_FAULT,
    balancing::COST,
    balancing::SKIP,
    migrations::PAGES,
    failures::OOM,
    failures::RECLAIM,
    failures::ALLOC,
    failures::HUGETLB,
    failures::POLICY,
    failures::SECCOMP,
    allocations::NUMASTAT_FOLD,
];

/// Parks the state of a task at a context switch in sessions without [`TASK_RUN`], whose program
/// includes that work. Belongs to no row: attached where a hook with [`Row::parks`] is.
pub const PARKING: Probe = tasks::PARK;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_says_what_is_lost() {
        for row in HOOKS {
            assert!(!row.lost.is_empty(), "{}", row.hook);
            assert_eq!(
                row.fallback.is_empty(),
                row.lost_on_fallback.is_empty(),
                "{}",
                row.hook
            );
        }
    }

    #[test]
    fn no_row_lacks_what_it_cannot_do_without() {
        for row in HOOKS {
            let texts = [row.hook, row.measures, row.kernels, row.cost.fires];
            assert!(texts.iter().all(|text| !text.is_empty()), "{row:?}");
            assert!(row.exact.iter().all(|set| !set.is_empty()), "{row:?}");
            assert!(!row.exact.is_empty(), "{row:?}");
        }
    }

    #[test]
    fn the_object_has_every_program_of_the_table() {
        let object = aya_obj_names();
        for probe in HOOKS.iter().flat_map(Row::probes).chain([&PARKING]) {
            for program in std::iter::once(probe.program).chain(probe.twin) {
                assert!(object.iter().any(|name| name == program), "{program}");
            }
        }
    }

    /// Returns the symbol names of the embedded object: its string tables are plain text.
    fn aya_obj_names() -> Vec<String> {
        crate::attach::object::bytes()
            .split(|byte| *byte == 0)
            .filter_map(|part| std::str::from_utf8(part).ok())
            .map(str::to_owned)
            .collect()
    }
}
