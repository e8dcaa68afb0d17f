//! What a session takes in beside records, one thing after the other.

use numatrace_common::event::{
    fill_run::FillRun,
    mapping_run::{TouchRun, UseRun},
    pages_moved::PagesMoved,
};

use crate::{
    capture::{boundary::BoundaryReading, totals::Sweep},
    decode::mapping_record::MappingMade,
};

/// One thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// What time it is, ns since boot, for what comes without one.
    Time(u64),
    /// What was counted since the last sweep.
    Sweep(Sweep),
    /// Mappings that were made, and how many records of such made no sense.
    Made(Vec<MappingMade>, u64),
    /// Everything up to now is here: it can be said whose those mappings are.
    Settle,
    /// It is time to look where memory lies.
    Residency,
    /// The first cut, and the counts of the epochs around it.
    Begin(BoundaryReading, Sweep),
    /// A later one; the sweep before it is of the epochs that end with it.
    Boundary(BoundaryReading, Sweep),
    /// Runs that are still under way at the end of the session.
    OpenRuns(OpenRuns),
}

/// Runs that are still under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenRuns {
    /// When they were read, ns since boot.
    pub now_ns: u64,
    /// First touches.
    pub touches: Vec<TouchRun>,
    /// Hinting faults.
    pub uses: Vec<UseRun>,
    /// Pages that came into the page cache.
    pub fills: Vec<FillRun>,
    /// Pages that were moved.
    pub moves: Vec<PagesMoved>,
}
