//! The output of `numatrace stat` as plain data: the JSON document `numatrace.stat/1`.
//!
//! Arrays per node run parallel to [`Sample::nodes`]. A quantity that could not be read is `null`,
//! never 0. A section that was not asked for is left out.

pub mod counters;
pub mod files;
pub mod kinds;
pub mod memory;
pub mod placement;
pub mod pressure;
pub mod since;

use serde::{Deserialize, Serialize};

use super::topology::MissingFact;
use crate::ids::NodeId;
use counters::CounterSection;
use files::FileCache;
use kinds::CgroupMemory;
use memory::{MeminfoSection, ProcessSection};
use pressure::PressureSection;
use since::SinceSection;

/// The value of [`Sample::schema`].
pub const SCHEMA: &str = "numatrace.stat/1";

/// One reading of the machine; with an interval, one line of JSON Lines per reading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// Time of the reading, RFC 3339 in UTC.
    pub time: String,
    /// Seconds since the reading that growth is counted from: the previous or the saved one; `null`
    /// in the first.
    pub interval_s: Option<f64>,
    /// Bytes of a base page.
    pub page_size: u64,
    /// The online nodes, ascending.
    pub nodes: Vec<NodeId>,
    /// Those of `nodes` that have neither CPUs nor memory; text leaves them out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub empty_nodes: Vec<NodeId>,
    /// numastat's six counters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counters: Option<CounterSection>,
    /// `--pressure`: fill level of each node, and the kernel's activity against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pressure: Option<PressureSection>,
    /// `--since`: changes since a saved reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<SinceSection>,
    /// `-m`: the kernel's memory rows per node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meminfo: Option<MeminfoSection>,
    /// `-p`: resident memory of processes per node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<ProcessSection>,
    /// `--cgroup`: memory of a cgroup per node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<CgroupMemory>,
    /// `--file`: page cache of files per node, in the order in which they were named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<FileCache>>,
    /// Facts that could not be read, with the reason.
    pub missing: Vec<MissingFact>,
}

impl Sample {
    /// A reading without sections.
    #[must_use]
    pub fn new(time: String, page_size: u64, nodes: Vec<NodeId>) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            time,
            interval_s: None,
            page_size,
            nodes,
            empty_nodes: Vec::new(),
            counters: None,
            meminfo: None,
            since: None,
            pressure: None,
            processes: None,
            cgroup: None,
            files: None,
            missing: Vec::new(),
        }
    }
}
