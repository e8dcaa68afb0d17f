//! Input of a session besides the records of the ring buffer.

use numatrace_common::event::{
    fill_run::FillRun,
    mapping_run::{TouchRun, UseRun},
    pages_moved::PagesMoved,
};

use crate::{
    capture::{boundary::BoundaryReading, totals::Sweep},
    decode::mapping_record::MappingMade,
    enrich::facts::resident::Reading,
};

/// One piece of input, in the order in which the session takes it in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The current time, ns since boot, for input that has no time of its own.
    Time(u64),
    /// Counts since the last sweep.
    Sweep(Sweep),
    /// New mappings, and the number of records of mappings that could not be decoded.
    MappingRecords(Vec<MappingMade>, u64),
    /// All records so far have been taken in, so new mappings can be attributed to their processes.
    AssignMappings,
    /// Readings of where the memory of processes lies.
    Residency(Vec<Reading>),
    /// The first boundary, and the counts of the epochs around it.
    Begin(BoundaryReading, Sweep),
    /// A later boundary, and the counts of the epochs around it. The sweep before it covers the
    /// epochs that end with it.
    Boundary(BoundaryReading, Sweep),
    /// Runs that are still open at the end of the session.
    OpenRuns(OpenRuns),
}

/// Runs that have not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenRuns {
    /// Time of reading them, ns since boot.
    pub now_ns: u64,
    /// First touches.
    pub touches: Vec<TouchRun>,
    /// Hinting faults.
    pub uses: Vec<UseRun>,
    /// Pages added to the page cache.
    pub fills: Vec<FillRun>,
    /// Pages migrated.
    pub moves: Vec<PagesMoved>,
}
