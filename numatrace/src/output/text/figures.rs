//! The numbers of one row: of a process, a thread, or a sum.

use std::collections::BTreeMap;

use crate::model::{
    Alloc, ByClass, FirstTouch, HintFaults, Matrix, PerNode, PolicyMode, Process, RemoteByCause,
    TaskMoves, Thread,
};

/// The quantities of one row; `None` is not measured.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Allocations.
    pub allocs: Option<u64>,
    /// Remote allocations.
    pub remote: Option<u64>,
    /// Allocations that the preferred node could not satisfy.
    pub missed: Option<u64>,
    /// Base pages allocated.
    pub pages: Option<u64>,
    /// Remote and missed allocations by cause.
    pub causes: Option<RemoteByCause>,
    /// Modes of the policies among the causes.
    pub modes: BTreeMap<PolicyMode, u64>,
    /// Allocations by size and use.
    pub classes: Option<ByClass>,
    /// Base pages faulted in.
    pub touched: Option<u64>,
    /// Base pages placed on a different node from the faulting CPU.
    pub touched_remotely: Option<u64>,
    /// Hint faults.
    pub hints: Option<u64>,
    /// Hint faults to a page on a different node.
    pub remote_hints: Option<u64>,
    /// Base pages migrated between nodes.
    pub migrated: Option<u64>,
    /// Changes of CPU.
    pub moves: Option<u64>,
    /// Changes of CPU within a node that changed the last-level cache.
    pub crossed_caches: Option<u64>,
    /// Changes of CPU that changed the node.
    pub crossed: Option<u64>,
    /// CPU time per node, in nanoseconds.
    pub run_ns: Option<PerNode>,
    /// CPU time of processes whose placement mismatch is known, in nanoseconds.
    pub placed_ns: Option<u64>,
    /// Part of it on memory of other nodes.
    pub misplaced_ns: Option<u64>,
}

impl Figures {
    /// Takes the numbers of a process.
    #[must_use]
    pub fn of_process(process: &Process) -> Self {
        Self {
            migrated: process
                .page_migrations
                .as_ref()
                .and_then(|m| Some(m.matrix.as_ref()?.off_diagonal())),
            misplaced_ns: process.misplaced_ns(),
            placed_ns: process
                .misplaced_ns()
                .and_then(|_| Some(process.run_ns.as_ref()?.total())),
            ..Self::of_activity(
                process.alloc.as_ref(),
                process.first_touch.as_ref(),
                process.hint_faults.as_ref(),
                process.task_moves.as_ref(),
                process.run_ns.as_ref(),
            )
        }
    }

    /// Takes the numbers of a thread.
    #[must_use]
    pub fn of_thread(thread: &Thread) -> Self {
        Self::of_activity(
            thread.alloc.as_ref(),
            thread.first_touch.as_ref(),
            thread.hint_faults.as_ref(),
            thread.task_moves.as_ref(),
            thread.run_ns.as_ref(),
        )
    }

    fn of_activity(
        alloc: Option<&Alloc>,
        first_touch: Option<&FirstTouch>,
        hint_faults: Option<&HintFaults>,
        task_moves: Option<&TaskMoves>,
        run_ns: Option<&PerNode>,
    ) -> Self {
        let touched = first_touch.and_then(|touch| touch.pages.as_ref());
        let hints = hint_faults.and_then(|hints| hints.matrix.as_ref());
        Self {
            allocs: alloc.and_then(Alloc::allocations),
            remote: alloc.and_then(Alloc::remote),
            missed: alloc.and_then(Alloc::misses),
            pages: alloc.and_then(Alloc::page_total),
            causes: alloc.and_then(|alloc| alloc.remote_by_cause),
            modes: alloc
                .and_then(|alloc| alloc.policy_by_mode.clone())
                .unwrap_or_default(),
            classes: alloc.and_then(|alloc| alloc.by_class),
            touched: touched.map(Matrix::total),
            touched_remotely: touched.map(Matrix::off_diagonal),
            hints: hints.map(Matrix::total),
            remote_hints: hints.map(Matrix::off_diagonal),
            migrated: None,
            moves: task_moves.and_then(|moves| moves.total),
            crossed_caches: task_moves.and_then(|moves| moves.cross_llc),
            crossed: task_moves.and_then(|moves| moves.cross_node),
            run_ns: run_ns.cloned(),
            placed_ns: None,
            misplaced_ns: None,
        }
    }

    /// Returns the sum of rows. A row that did not measure a quantity is left out of its sum:
    /// interrupts have no first touches. `None` only where no row measured it.
    #[must_use]
    pub fn sum<'a>(rows: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut sum = Self::default();
        for row in rows {
            let Self {
                allocs,
                remote,
                missed,
                pages,
                causes,
                modes,
                classes,
                touched,
                touched_remotely,
                hints,
                remote_hints,
                migrated,
                moves,
                crossed_caches,
                crossed,
                run_ns,
                placed_ns,
                misplaced_ns,
            } = row;
            for (into, more) in [
                (&mut sum.allocs, allocs),
                (&mut sum.remote, remote),
                (&mut sum.missed, missed),
                (&mut sum.pages, pages),
                (&mut sum.touched, touched),
                (&mut sum.touched_remotely, touched_remotely),
                (&mut sum.hints, hints),
                (&mut sum.remote_hints, remote_hints),
                (&mut sum.migrated, migrated),
                (&mut sum.moves, moves),
                (&mut sum.crossed_caches, crossed_caches),
                (&mut sum.crossed, crossed),
                (&mut sum.placed_ns, placed_ns),
                (&mut sum.misplaced_ns, misplaced_ns),
            ] {
                if let Some(more) = more {
                    *into = Some(into.unwrap_or(0).saturating_add(*more));
                }
            }
            if let Some(more) = causes {
                sum.causes.get_or_insert_default().add(more);
            }
            for (mode, count) in modes {
                let sum = sum.modes.entry(*mode).or_default();
                *sum = sum.saturating_add(*count);
            }
            if let Some(more) = classes {
                sum.classes.get_or_insert_default().add(more);
            }
            if let Some(more) = run_ns {
                sum.run_ns.get_or_insert_default().add(more);
            }
        }
        sum
    }
}
