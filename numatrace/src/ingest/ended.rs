//! Folds ended processes and threads into rows of their commands, so that a session takes memory
//! for those that live, and not for those that it has seen.

use super::Ingest;
use crate::{
    enrich::{facts::Facts, process::Folds},
    fold::Folding,
};

impl<F: Facts> Ingest<F> {
    /// Folds what ended first, beyond the bound. `at_end`: everything of the session has been taken
    /// in.
    pub(super) fn fold_ended(&mut self, at_end: bool) {
        let Some(keep) = self.keep_processes else {
            return;
        };
        let Self {
            enrich, failures, ..
        } = self;
        enrich.processes.check_living(&mut enrich.facts);
        // The report has each failure with its process.
        let failed = || failures.processes();
        let folds = enrich.processes.fold(keep, at_end, failed);
        if !folds.is_empty() {
            self.apply_folds(&folds);
        }
    }

    fn apply_folds(&mut self, folds: &Folds) {
        let Self {
            enrich,
            mappings,
            timeline,
            failures,
            folding,
            closed,
            ..
        } = self;
        let inside = folding.iter_mut().map(|Folding { inside, .. }| inside);
        let closed = closed.iter_mut().map(|closed| &mut closed.inside);
        inside.chain(closed).for_each(|counted| counted.fold(folds));
        mappings.fold(folds);
        timeline.fold(folds);
        failures.fold(folds);
        enrich.forget_folded();
        self.forget_absences();
    }
}
