//! What a screen shows of one interval: its report, and what a report has no place for.

use super::{Incident, Snapshot, stat::pressure::NodePressure};

/// One interval, as `numatrace top` shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct ScreenFrame {
    /// The report of the interval.
    pub snapshot: Snapshot,
    /// Memory and fragmentation of each node now, parallel to the report's nodes.
    pub memory: Vec<NodePressure>,
    /// Threads that are away from their process's memory now; seconds count from the start of the session.
    pub away: Vec<Incident>,
    /// Those that came back, or ended, in this interval.
    pub back: Vec<Incident>,
    /// Absences that came back and were not kept: too many at once.
    pub untold: u64,
}
