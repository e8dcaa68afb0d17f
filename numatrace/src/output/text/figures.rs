//! The plain numbers of one row: a process, a thread, or the sum of many.

use std::collections::BTreeMap;

use crate::model::{
    Alloc, ByClass, FirstTouch, HintFaults, Matrix, PerNode, PolicyMode, Process, RemoteByCause,
    TaskMoves, Thread,
};

/// One row's quantities; `None` is not measured.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Allocations.
    pub allocs: Option<u64>,
    /// Those whose page lies on another node than the asking CPU.
    pub remote: Option<u64>,
    /// Those that fell back past the preferred node.
    pub missed: Option<u64>,
    /// Base pages allocated.
    pub pages: Option<u64>,
    /// Why allocations were remote or missed.
    pub causes: Option<RemoteByCause>,
    /// Modes of the policies among them.
    pub modes: BTreeMap<PolicyMode, u64>,
    /// Allocations by size and use.
    pub classes: Option<ByClass>,
    /// Base pages touched first.
    pub touched: Option<u64>,
    /// Those placed on another node than their toucher's.
    pub touched_away: Option<u64>,
    /// Hint faults.
    pub hints: Option<u64>,
    /// Those to a page on another node.
    pub hints_far: Option<u64>,
    /// Base pages moved between nodes.
    pub migrated: Option<u64>,
    /// Changes of CPU.
    pub moves: Option<u64>,
    /// Those that changed the node.
    pub crossed: Option<u64>,
    /// CPU time per node, in nanoseconds.
    pub run_ns: Option<PerNode>,
}

impl Figures {
    /// One process.
    #[must_use]
    pub fn of_process(process: &Process) -> Self {
        Self {
            migrated: process
                .page_migrations
                .as_ref()
                .and_then(|m| Some(m.matrix.as_ref()?.off_diagonal())),
            ..Self::of_activity(
                process.alloc.as_ref(),
                process.first_touch.as_ref(),
                process.hint_faults.as_ref(),
                process.task_moves.as_ref(),
                process.run_ns.as_ref(),
            )
        }
    }

    /// One thread.
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
            touched_away: touched.map(Matrix::off_diagonal),
            hints: hints.map(Matrix::total),
            hints_far: hints.map(Matrix::off_diagonal),
            migrated: None,
            moves: task_moves.and_then(|moves| moves.total),
            crossed: task_moves.and_then(|moves| moves.cross_node),
            run_ns: run_ns.cloned(),
        }
    }

    /// The sum of rows. What a row does not know is left out of it: interrupts have no first touch, and a sum without them is
    /// still the sum of what was measured. `None` only where no row knows.
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
                touched_away,
                hints,
                hints_far,
                migrated,
                moves,
                crossed,
                run_ns,
            } = row;
            for (into, more) in [
                (&mut sum.allocs, allocs),
                (&mut sum.remote, remote),
                (&mut sum.missed, missed),
                (&mut sum.pages, pages),
                (&mut sum.touched, touched),
                (&mut sum.touched_away, touched_away),
                (&mut sum.hints, hints),
                (&mut sum.hints_far, hints_far),
                (&mut sum.migrated, migrated),
                (&mut sum.moves, moves),
                (&mut sum.crossed, crossed),
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
