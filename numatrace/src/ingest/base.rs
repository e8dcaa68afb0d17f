//! Everything taken in so far, as bytes: what a recording carries where the records before were dropped.

use serde::{Deserialize, Serialize};

use super::{Ingest, SoFar};
use crate::{
    capture::boundary::Grown,
    enrich::{
        facts::Facts, pending_mappings::PendingMappings, process::Processes, residency::Residency,
        spaces::Spaces,
    },
    fold::{Folding, mapping::Mappings, timeline::Timeline},
};

/// The parts of an [`Ingest`] but its facts, which are asked anew.
#[derive(Serialize)]
struct Parts<'a> {
    processes: &'a Processes,
    spaces: &'a Spaces,
    told: &'a PendingMappings,
    residency: &'a Residency,
    mappings: &'a Mappings,
    timeline: &'a Timeline,
    folding: &'a Option<Folding>,
    grown: &'a Grown,
    rejected_before: u64,
    mapping_records_lost_before: u64,
    rejected: u64,
    unsettled: bool,
    began_ns: u64,
}

/// The same, read again.
#[derive(Deserialize)]
struct Read {
    processes: Processes,
    spaces: Spaces,
    told: PendingMappings,
    residency: Residency,
    mappings: Mappings,
    timeline: Timeline,
    folding: Option<Folding>,
    grown: Grown,
    rejected_before: u64,
    mapping_records_lost_before: u64,
    rejected: u64,
    unsettled: bool,
    began_ns: u64,
}

impl<F: Facts> Ingest<F> {
    /// What was taken in so far.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn base(&self) -> Result<Vec<u8>, rmp_serde::encode::Error> {
        rmp_serde::to_vec_named(&Parts {
            processes: &self.enrich.processes,
            spaces: &self.enrich.spaces,
            told: &self.enrich.told,
            residency: &self.enrich.residency,
            mappings: &self.mappings,
            timeline: &self.timeline,
            folding: &self.folding,
            grown: &self.before.grown,
            rejected_before: self.before.rejected,
            mapping_records_lost_before: self.before.mapping_records_lost,
            rejected: self.rejected,
            unsettled: self.unsettled,
            began_ns: self.began_ns,
        })
    }

    /// Stands where another stood when it gave those bytes.
    ///
    /// # Errors
    /// They are not such bytes; nothing has changed then.
    pub fn restore(&mut self, base: &[u8]) -> Result<(), rmp_serde::decode::Error> {
        let Read {
            processes,
            spaces,
            told,
            residency,
            mappings,
            timeline,
            folding,
            grown,
            rejected_before,
            mapping_records_lost_before,
            rejected,
            unsettled,
            began_ns,
        } = rmp_serde::from_slice(base)?;
        self.enrich.processes = processes;
        self.enrich.spaces = spaces;
        self.enrich.told = told;
        self.enrich.residency = residency;
        self.mappings = mappings;
        self.timeline = timeline;
        self.folding = folding;
        self.before = SoFar {
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
