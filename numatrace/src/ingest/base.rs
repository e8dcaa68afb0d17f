//! The state of a session as bytes, which a recording holds where earlier records were dropped.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{AtBoundary, Ingest, economy::Economy};
use crate::{
    capture::boundary::Grown,
    enrich::{
        Charged, Enrich, facts::Facts, pending_mappings::PendingMappings, process::Processes,
        residency::Residency, spaces::Spaces,
    },
    fold::{Folding, counted::Counted, failures::Failures, mapping::Mappings, timeline::Timeline},
};

/// Share of the ended processes with entries of their own that [`Economy::MostEnded`] leaves.
const FEW: usize = 16;

/// State of an [`Ingest`] without its facts, which are read anew. Field names are part of the
/// format of recordings.
#[derive(Serialize)]
struct State<'a> {
    processes: &'a Processes,
    spaces: Cow<'a, Spaces>,
    #[serde(rename = "told")]
    pending_mappings: Cow<'a, PendingMappings>,
    residency: Cow<'a, Residency>,
    mappings: Cow<'a, Mappings>,
    timeline: &'a Timeline,
    failures: &'a Failures,
    folding: &'a Option<Folding>,
    grown: &'a Grown,
    rejected_before: u64,
    mapping_records_lost_before: u64,
    rejected: u64,
    unsettled: bool,
    began_ns: u64,
    closed: &'a Option<Counted>,
}

/// [`State`] as it is read back.
#[derive(Serialize, Deserialize)]
struct OwnedState {
    processes: Processes,
    spaces: Spaces,
    #[serde(rename = "told")]
    pending_mappings: PendingMappings,
    residency: Residency,
    mappings: Mappings,
    timeline: Timeline,
    #[serde(default)]
    failures: Failures,
    folding: Option<Folding>,
    grown: Grown,
    rejected_before: u64,
    mapping_records_lost_before: u64,
    rejected: u64,
    unsettled: bool,
    began_ns: u64,
    #[serde(default)]
    closed: Option<Counted>,
    #[serde(default)]
    left_out: Economy,
}

impl<F: Facts> Ingest<F> {
    /// Returns the state so far, less what is to be left out.
    ///
    /// # Errors
    /// Serializing to memory failed.
    pub fn base(&self, economy: Economy) -> Result<Vec<u8>, rmp_serde::encode::Error> {
        if economy == Economy::Nothing {
            return rmp_serde::to_vec_named(&self.state());
        }
        // A copy is many times cheaper than its bytes, which are then few.
        let mut state = OwnedState::from(self.state_without(economy));
        state.leave_out(economy, self.keep_processes.unwrap_or(0));
        rmp_serde::to_vec_named(&state)
    }

    fn state(&self) -> State<'_> {
        let Enrich {
            processes,
            spaces,
            pending_mappings,
            residency,
            ..
        } = &self.enrich;
        State {
            processes,
            spaces: Cow::Borrowed(spaces),
            pending_mappings: Cow::Borrowed(pending_mappings),
            residency: Cow::Borrowed(residency),
            mappings: Cow::Borrowed(&self.mappings),
            timeline: &self.timeline,
            failures: &self.failures,
            folding: &self.folding,
            grown: &self.before.grown,
            rejected_before: self.before.rejected,
            mapping_records_lost_before: self.before.mapping_records_lost,
            rejected: self.rejected,
            unsettled: self.unsettled,
            began_ns: self.began_ns,
            closed: &self.closed,
        }
    }

    /// Returns the state without the large parts that are left out as a whole.
    fn state_without(&self, economy: Economy) -> State<'_> {
        let whole = self.state();
        if economy < Economy::Memory {
            return whole;
        }
        State {
            spaces: Cow::default(),
            pending_mappings: Cow::default(),
            residency: Cow::default(),
            mappings: Cow::Owned(self.mappings.forgotten()),
            ..whole
        }
    }

    /// Replaces the state by the one that [`Ingest::base`] of a different session returned. Returns
    /// what that lacks.
    ///
    /// # Errors
    /// The bytes are no such state; nothing has changed then.
    pub fn restore(&mut self, base: &[u8]) -> Result<Economy, rmp_serde::decode::Error> {
        let OwnedState {
            processes,
            spaces,
            pending_mappings,
            residency,
            mappings,
            timeline,
            failures,
            folding,
            grown,
            rejected_before,
            mapping_records_lost_before,
            rejected,
            unsettled,
            began_ns,
            closed,
            left_out,
        } = rmp_serde::from_slice(base)?;
        self.enrich.processes = processes;
        self.enrich.processes.sort();
        self.enrich.spaces = spaces;
        self.enrich.pending_mappings = pending_mappings;
        self.enrich.residency = residency;
        self.mappings = mappings;
        self.timeline = timeline;
        self.failures = failures;
        self.folding = folding;
        self.before = AtBoundary {
            grown,
            rejected: rejected_before,
            mapping_records_lost: mapping_records_lost_before,
        };
        self.rejected = rejected;
        self.unsettled = unsettled;
        self.began_ns = began_ns;
        self.closed = closed;
        Ok(left_out)
    }
}

impl From<State<'_>> for OwnedState {
    fn from(state: State<'_>) -> Self {
        Self {
            processes: state.processes.clone(),
            spaces: state.spaces.into_owned(),
            pending_mappings: state.pending_mappings.into_owned(),
            residency: state.residency.into_owned(),
            mappings: state.mappings.into_owned(),
            timeline: state.timeline.clone(),
            failures: state.failures.clone(),
            folding: state.folding.clone(),
            grown: state.grown.clone(),
            rejected_before: state.rejected_before,
            mapping_records_lost_before: state.mapping_records_lost_before,
            rejected: state.rejected,
            unsettled: state.unsettled,
            began_ns: state.began_ns,
            closed: state.closed.clone(),
            left_out: Economy::Nothing,
        }
    }
}

impl OwnedState {
    /// Leaves out details. Nothing is taken from a sum.
    fn leave_out(&mut self, economy: Economy, keep: usize) {
        self.left_out = economy;
        if economy >= Economy::Counts {
            self.failures.shorten();
        }
        let (keep, at_end) = match economy {
            Economy::Nothing => return,
            Economy::MostEnded => (keep / FEW, false),
            // Counts of those that have just ended are then without a name when they come.
            _ => (0, true),
        };
        let failed = self.failures.processes();
        let folds = self.processes.fold(keep, at_end, || failed.clone());
        let inside = self.folding.iter_mut().map(|folding| &mut folding.inside);
        let closed = self.closed.iter_mut().map(|closed| &mut closed.inside);
        let mut counted: Vec<_> = inside.chain(closed).collect();
        counted.iter_mut().for_each(|counted| counted.fold(&folds));
        self.mappings.fold(&folds);
        self.timeline.fold(&folds);
        self.failures.fold(&folds);
        if economy >= Economy::Ended {
            self.timeline.forget();
        }
        if economy >= Economy::Memory {
            self.processes.forget_details();
        }
        if economy >= Economy::Counts {
            let of_process = |charged| match charged {
                Charged::Thread { .. } => Charged::OutOfScope,
                other => other,
            };
            for counted in counted {
                counted.charge(of_process);
                counted.faults.charge_nobody();
            }
            self.processes.forget_counted(&failed);
        }
        if economy >= Economy::Processes {
            self.processes.forget_others(&failed);
        }
        let processes = &self.processes;
        self.spaces.retain(|process| processes.knows(process));
        self.residency.retain(|process| processes.knows(process));
    }
}
