//! The report as a whole: host, session, cost, and all counts.

use jiff::Timestamp;
use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};
use serde::{Deserialize as DeriveDeserialize, Serialize as DeriveSerialize};

use super::alloc::Alloc;
use super::audit::Audit;
use super::balancer::Balancing;
use super::cache::Cache;
use super::coverage::Coverage;
use super::failure::Failures;
use super::finding::Finding;
use super::first_touch::FirstTouch;
use super::hint_fault::HintFaults;
use super::hooks::Hook;
use super::incident::{Incident, Moment};
use super::matrix::{ByDistance, Matrix, PerNode};
use super::name::Name;
use super::nearest::{self, Place};
use super::page_migration::PageMigrations;
use super::process::{Process, ProcessKind};
use super::shortage::Shortage;
use super::stack::Stack;
use super::task_move::TaskMoves;
use super::topology::MemoryKind;
use super::verify::Verify;
use crate::ids::{CpuId, NodeId, Pid};

/// One session, or one interval of it: the document `numatrace.report/1`.
#[derive(Clone, Debug, PartialEq, DeriveSerialize, DeriveDeserialize)]
pub struct Snapshot {
    /// Always `numatrace.report/1`.
    pub schema: Schema,
    /// The machine.
    pub host: Host,
    /// Scope and length of the session.
    pub session: Session,
    /// Each hook family with its state.
    pub hooks: Vec<Hook>,
    /// Records and losses.
    pub coverage: Coverage,
    /// Cost of tracing.
    pub cost: Cost,
    /// Traced totals compared with the kernel's counters.
    pub audit: Audit,
    /// Activity of the whole system, whatever the scope.
    #[serde(default)]
    pub system: Option<System>,
    /// All processes and buckets; their sums are the totals.
    pub processes: Vec<Process>,
    /// Absences of threads from their memory, costliest first, two hundred at most.
    #[serde(default)]
    pub incidents: Vec<Incident>,
    /// Moves of threads and pages of the session's process, in order of time; with `--timeline`.
    #[serde(default)]
    pub timeline: Option<Vec<Moment>>,
    /// Failures: OOM kills, searches for memory, empty huge page pools, refused calls; `None`
    /// when nothing of the kind was measured.
    #[serde(default)]
    pub failures: Option<Failures>,
    /// Nodes that could not give a page, by size and kind of the request; `None` where the exact
    /// hook of allocations is not in place, and in reports of earlier versions.
    #[serde(default)]
    pub shortages: Option<Vec<Shortage>>,
    /// Reasons of moves compared with kernel stacks; only with `--verify-reasons`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
    /// Call stacks that mappings refer to.
    pub stacks: Vec<Stack>,
    /// Diagnoses, worst first.
    pub findings: Vec<Finding>,
}

impl Snapshot {
    /// A report without any measured quantity, to be filled in.
    #[must_use]
    pub fn new(host: Host, session: Session) -> Self {
        Self {
            schema: Schema,
            host,
            session,
            hooks: Vec::new(),
            coverage: Coverage::default(),
            cost: Cost::default(),
            audit: Audit::unavailable("nothing was traced"),
            system: None,
            processes: Vec::new(),
            incidents: Vec::new(),
            timeline: None,
            failures: None,
            shortages: None,
            verify: None,
            stacks: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// Returns the process that the session was about: the most remote program in scope, when the
    /// scope names processes.
    #[must_use]
    pub fn focus(&self) -> Option<&Process> {
        let named = !self.session.scope.is_whole_system();
        let programs = self
            .processes
            .iter()
            .filter(|process| process.kind == ProcessKind::User);
        programs
            .min_by_key(|process| process.rank_key())
            .filter(|_| named)
    }

    /// Returns the sum of all processes' allocations; `None` when none were measured.
    #[must_use]
    pub fn alloc_total(&self) -> Option<Alloc> {
        Alloc::sum(
            self.processes
                .iter()
                .filter_map(|process| process.alloc.as_ref()),
        )
    }

    /// Returns the processes, most remote allocations first; see [`Process::rank_key`].
    #[must_use]
    pub fn ranked(&self) -> Vec<&Process> {
        let mut processes: Vec<&Process> = self.processes.iter().collect();
        processes.sort_by_cached_key(|process| process.rank_key());
        processes
    }
}

/// Name and version of the document. Reading a different version fails with a remedy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schema;

impl Schema {
    /// The value of `schema`. Fields may be added under it; renaming or removing one requires a new
    /// version.
    pub const NAME: &'static str = "numatrace.report/1";
}

impl Serialize for Schema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Self::NAME)
    }
}

impl<'de> Deserialize<'de> for Schema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = String::deserialize(deserializer)?;
        if found == Self::NAME {
            return Ok(Self);
        }
        let name = Self::NAME;
        Err(de::Error::custom(
            if found.starts_with("numatrace.report/") {
                format!(
                    "this report is {found:?}, this numatrace reads {name}: \
                     read it with the version that wrote it"
                )
            } else {
                format!("schema is {found:?}, not {name}: this is not a numatrace report")
            },
        ))
    }
}

/// The machine the session ran on.
#[derive(Clone, Debug, PartialEq, Eq, DeriveSerialize, DeriveDeserialize)]
pub struct Host {
    /// Kernel release, as `uname -r`.
    pub kernel: String,
    /// Machine, as `uname -m`.
    pub arch: String,
    /// Bytes of a base page.
    pub page_size: u64,
    /// `kernel.numa_balancing`: bit 0 balancing, bit 1 memory tiering; `None` when the kernel does
    /// not have the setting.
    pub numa_balancing: Option<u32>,
    /// Every node that existed during the session; arrays "per node" run parallel to this.
    pub nodes: Vec<HostNode>,
    /// Last-level caches when the session began; `None` when sysfs does not tell the cache of every
    /// CPU, and in reports of earlier versions.
    #[serde(default)]
    pub caches: Option<Vec<Cache>>,
    /// Sentences about parts of `/sys` and `/proc` that are not the kernel's own, as in containers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub view: Vec<String>,
}

impl Host {
    /// Returns the position of a node in arrays "per node".
    #[must_use]
    pub fn position(&self, node: NodeId) -> Option<usize> {
        self.nodes
            .iter()
            .position(|candidate| candidate.node == node)
    }

    /// Returns the positions of the nodes without CPUs and memory: GPUs and firmware reserve them
    /// by the dozen.
    #[must_use]
    pub fn empty_nodes(&self) -> Vec<usize> {
        let is_empty = |node: &HostNode| node.cpus.is_empty() && node.mem_kb == Some(0);
        let nodes = self.nodes.iter().enumerate();
        let empty = nodes.filter(|(_, node)| is_empty(node));
        empty.map(|(position, _)| position).collect()
    }

    /// Returns, for each node, the position of the node with memory that the kernel tries first for
    /// its allocations; `None` when it cannot be told.
    #[must_use]
    pub fn nearest_memory(&self) -> Vec<Option<usize>> {
        let place = |node| {
            let node: &HostNode = node;
            Place {
                memory: node.mem_kb != Some(0),
                cpus: !node.cpus.is_empty(),
                movable_only: node.movable_only == Some(true),
                distance: node.distance.as_deref(),
            }
        };
        let places: Vec<Place<'_>> = self.nodes.iter().map(place).collect();
        nearest::nearest(&places)
    }
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, DeriveSerialize, DeriveDeserialize)]
pub struct HostNode {
    /// Number of the node; numbers may have gaps.
    pub node: NodeId,
    /// CPUs; empty for a memory-only node.
    pub cpus: Vec<CpuId>,
    /// Memory in KiB; 0 for a node without memory, `None` when unknown.
    pub mem_kb: Option<u64>,
    /// Kind of the memory; `None` without memory, and in reports of earlier versions.
    #[serde(default)]
    pub memory: Option<MemoryKind>,
    /// True when kernel memory never comes from the node although it has memory; `None` in reports
    /// of earlier versions.
    #[serde(default)]
    pub movable_only: Option<bool>,
    /// Firmware's distance to each node of the list, 10 to itself; `None` when unknown.
    pub distance: Option<Vec<u32>>,
}

/// Scope, start and length of a session.
#[derive(Clone, Debug, PartialEq, DeriveSerialize, DeriveDeserialize)]
pub struct Session {
    /// The numatrace command: `trace`, `record`, …
    pub command: String,
    /// Start of counting.
    pub start: Timestamp,
    /// `start` in nanoseconds of boot time, the clock of all times of a report that end in `_ns`.
    #[serde(default)]
    pub began_ns: Option<u64>,
    /// Length of counting, in seconds.
    pub duration_s: f64,
    /// Processes, CPUs and nodes whose details the report has.
    pub scope: Scope,
    /// Number of the interval, from 0; with `-i`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<u64>,
    /// Part of the session that the report covers; of a recording with `--from` or `--to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// Event that ended the session.
    #[serde(default)]
    pub ended_by: Option<EndedBy>,
    /// The launched command's status: its exit code, or 128 + signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_status: Option<i32>,
}

impl Session {
    /// A session of the whole system.
    #[must_use]
    pub fn new(command: impl Into<String>, start: Timestamp, duration_s: f64) -> Self {
        Self {
            command: command.into(),
            start,
            began_ns: None,
            duration_s,
            scope: Scope::default(),
            interval: None,
            part: None,
            ended_by: None,
            exit_status: None,
        }
    }
}

/// A part of a session.
#[derive(Clone, Copy, Debug, PartialEq, DeriveSerialize, DeriveDeserialize)]
pub struct Part {
    /// Start of the part, seconds since the session began.
    pub from_s: f64,
    /// End of the part, seconds since the session began.
    pub to_s: f64,
}

/// Event that ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DeriveSerialize, DeriveDeserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// `-d` ran out.
    Duration,
    /// Ctrl-C or SIGTERM.
    Signal,
    /// The launched command, or every traced process, ended.
    Exit,
}

/// Processes, CPUs and nodes whose details a session shows. All empty is the whole system. Totals
/// and audit do not depend on the scope.
#[derive(Clone, Debug, PartialEq, Eq, DeriveSerialize, DeriveDeserialize)]
pub struct Scope {
    /// `-p`.
    #[serde(default)]
    pub pids: Vec<Pid>,
    /// The launched command and its arguments.
    #[serde(default)]
    pub launched: Vec<Name>,
    /// `--comm`.
    #[serde(default)]
    pub comms: Vec<Name>,
    /// `--cgroup`.
    #[serde(default)]
    pub cgroups: Vec<Name>,
    /// `--cpu`.
    #[serde(default)]
    pub cpus: Vec<CpuId>,
    /// `--node`.
    #[serde(default)]
    pub nodes: Vec<NodeId>,
    /// False with `--no-children`.
    #[serde(default = "yes")]
    pub children: bool,
}

impl Scope {
    /// Returns whether the scope names no process.
    #[must_use]
    pub fn is_whole_system(&self) -> bool {
        self.pids.is_empty()
            && self.launched.is_empty()
            && self.comms.is_empty()
            && self.cgroups.is_empty()
    }
}

/// The default of `children`: reports of earlier versions do not have the field.
fn yes() -> bool {
    true
}

impl Default for Scope {
    /// The whole system.
    fn default() -> Self {
        Self {
            pids: Vec::new(),
            launched: Vec::new(),
            comms: Vec::new(),
            cgroups: Vec::new(),
            cpus: Vec::new(),
            nodes: Vec::new(),
            children: true,
        }
    }
}

/// Cost of tracing. `default()` is not measured.
#[derive(Clone, Debug, Default, PartialEq, DeriveSerialize, DeriveDeserialize)]
pub struct Cost {
    /// Method of measuring `bpf_ns`.
    pub method: Option<CostMethod>,
    /// CPU time of our programs in the kernel, in nanoseconds.
    pub bpf_ns: Option<u64>,
    /// Runs of our programs.
    pub bpf_runs: Option<u64>,
    /// `bpf_ns` as a share of all CPU time of the machine in the session, 0 to 1.
    pub bpf_cpu_share: Option<f64>,
    /// CPU time of the tracer's own process, in seconds.
    pub tracer_cpu_s: Option<f64>,
    /// Peak resident memory of the tracer, in KiB.
    pub tracer_rss_kb: Option<u64>,
    /// With `--max-overhead`: the share of CPU time that our programs may use, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_overhead: Option<f64>,
    /// Details dropped to stay below `max_overhead`, in order of time. Totals are never dropped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reduced: Vec<Reduction>,
}

/// A detail that the session has from its start to `at_s`, and not after.
#[derive(Clone, Debug, PartialEq, DeriveSerialize, DeriveDeserialize)]
pub struct Reduction {
    /// Time of the reduction, seconds since the session began.
    pub at_s: f64,
    /// The dropped detail.
    pub what: String,
    /// Share of all CPU time that our programs used just before, 0 to 1.
    pub share: f64,
}

/// Method of measuring the cost in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DeriveSerialize, DeriveDeserialize)]
#[serde(rename_all = "snake_case")]
pub enum CostMethod {
    /// Kernel statistics were on for a part of the session, scaled by our own run counts.
    Sampled,
    /// Kernel statistics were on all the time.
    Full,
}

/// Activity of the whole system, whatever the scope; `None` is not measured.
#[derive(Clone, Debug, Default, PartialEq, DeriveSerialize, DeriveDeserialize)]
pub struct System {
    /// Allocations, `[node of the allocating CPU][node of the page]`.
    #[serde(default)]
    pub allocations: Option<Matrix>,
    /// Allocations on other nodes than that of the CPU, by firmware's distance; `None` where all
    /// other nodes are equally far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_by_distance: Option<ByDistance>,
    /// User pages that were faulted in.
    pub first_touch: Option<FirstTouch>,
    /// Sampled accesses.
    pub hint_faults: Option<HintFaults>,
    /// Page migrations between nodes.
    pub page_migrations: Option<PageMigrations>,
    /// Moves of tasks between CPUs.
    pub task_moves: Option<TaskMoves>,
    /// CPU time per node, in nanoseconds, without idle time.
    pub run_ns: Option<PerNode>,
    /// Work of NUMA balancing, and whether it helped.
    #[serde(default)]
    pub balancer: Option<Balancing>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../tests/contract/example.json");

    #[test]
    fn the_contract_example_survives_reading_and_writing_field_by_field() {
        let before: serde_json::Value = serde_json::from_str(EXAMPLE).unwrap();
        let snapshot: Snapshot = serde_json::from_str(EXAMPLE).unwrap();
        let after = serde_json::to_value(&snapshot).unwrap();
        contains("$", &after, &before);
        assert_eq!(serde_json::from_value::<Snapshot>(after).unwrap(), snapshot);
    }

    /// Asserts that everything in `small` is in `large`; `large` may have more fields.
    fn contains(at: &str, large: &serde_json::Value, small: &serde_json::Value) {
        use serde_json::Value;
        match (large, small) {
            (Value::Object(large), Value::Object(small)) => {
                for (key, value) in small {
                    let found = large
                        .get(key)
                        .unwrap_or_else(|| panic!("{at}.{key} is gone"));
                    contains(&format!("{at}.{key}"), found, value);
                }
            }
            (Value::Array(large), Value::Array(small)) => {
                assert_eq!(large.len(), small.len(), "{at}");
                for (i, (large, small)) in large.iter().zip(small).enumerate() {
                    contains(&format!("{at}[{i}]"), large, small);
                }
            }
            _ => assert_eq!(large, small, "{at}"),
        }
    }

    #[test]
    fn a_report_of_a_different_version_is_refused_with_a_remedy() {
        let error = serde_json::from_str::<Schema>("\"numatrace.report/2\"")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("read it with the version that wrote it"),
            "{error}"
        );
        let error = serde_json::from_str::<Schema>("\"other\"")
            .unwrap_err()
            .to_string();
        assert!(error.contains("not a numatrace report"), "{error}");
    }
}
