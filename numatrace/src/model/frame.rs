//! One frame of the screen of `numatrace top`: the report of an interval, and what no report holds.

use super::{Incident, Snapshot, stat::pressure::NodePressure};

/// One interval, as `numatrace top` shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct ScreenFrame {
    /// The report of the interval.
    pub snapshot: Snapshot,
    /// Memory and fragmentation of each node now, parallel to the report's nodes.
    pub memory: Vec<NodePressure>,
    /// Threads that are away from their process's memory, or were.
    pub absences: ScreenAbsences,
}

/// The absences of a frame. Seconds count from the start of the session, not of the interval.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScreenAbsences {
    /// Those that go on, longest first.
    pub open: Vec<Incident>,
    /// Those that ended in this interval.
    pub ended: Vec<Incident>,
    /// How many more ended in it and were not kept, because too many did at once.
    pub dropped: u64,
}
