//! The state of a session as bytes, which a recording holds where earlier records were dropped.

use serde::{Deserialize, Serialize};

use super::{AtBoundary, Ingest};
use crate::{
    capture::boundary::Grown,
    enrich::{
        facts::Facts, pending_mappings::PendingMappings, process::Processes, residency::Residency,
        spaces::Spaces,
    },
    fold::{Folding, failures::Failures, mapping::Mappings, timeline::Timeline},
};

/// State of an [`Ingest`] without its facts, which are read anew. Field names are part of the
/// format of recordings.
#[derive(Serialize)]
struct State<'a> {
    processes: &'a Processes,
    spaces: &'a Spaces,
    #[serde(rename = "told")]
    pending_mappings: &'a PendingMappings,
    residency: &'a Residency,
    mappings: &'a Mappings,
    timeline: &'a Timeline,
    failures: &'a Failures,
    folding: &'a Option<Folding>,
    grown: &'a Grown,
    rejected_before: u64,
    mapping_records_lost_before: u64,
    rejected: u64,
    unsettled: bool,
    began_ns: u64,
}

/// [`State`] as it is read back.
#[derive(Deserialize)]
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
}

impl<F: Facts> Ingest<F> {
    /// Returns the state so far.
    ///
    /// # Errors
    /// Serializing to memory failed.
    pub fn base(&self) -> Result<Vec<u8>, rmp_serde::encode::Error> {
        rmp_serde::to_vec_named(&State {
            processes: &self.enrich.processes,
            spaces: &self.enrich.spaces,
            pending_mappings: &self.enrich.pending_mappings,
            residency: &self.enrich.residency,
            mappings: &self.mappings,
            timeline: &self.timeline,
            failures: &self.failures,
            folding: &self.folding,
            grown: &self.before.grown,
            rejected_before: self.before.rejected,
            mapping_records_lost_before: self.before.mapping_records_lost,
            rejected: self.rejected,
            unsettled: self.unsettled,
            began_ns: self.began_ns,
        })
    }

    /// Replaces the state by the one that [`Ingest::base`] of a different session returned.
    ///
    /// # Errors
    /// The bytes are no such state; nothing has changed then.
    pub fn restore(&mut self, base: &[u8]) -> Result<(), rmp_serde::decode::Error> {
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
        self.closed = None;
        Ok(())
    }
}
