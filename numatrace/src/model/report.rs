//! The report as a whole: host, session, cost, and everything that was counted.

use jiff::Timestamp;
use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};
use serde::{Deserialize as DeriveDeserialize, Serialize as DeriveSerialize};

use super::alloc::Alloc;
use super::audit::Audit;
use super::balancer::Balancing;
use super::coverage::Coverage;
use super::finding::Finding;
use super::first_touch::FirstTouch;
use super::hint_fault::HintFaults;
use super::hooks::Hook;
use super::incident::{Incident, Moment};
use super::matrix::{Matrix, PerNode};
use super::name::Name;
use super::page_migration::PageMigrations;
use super::process::{Process, ProcessKind};
use super::stack::Stack;
use super::task_move::TaskMoves;
use super::verify::Verify;
use crate::ids::{CpuId, NodeId, Pid};

/// One session, or one interval of it, as it is printed.
#[derive(Clone, Debug, PartialEq, DeriveSerialize, DeriveDeserialize)]
pub struct Snapshot {
    /// Always `numatrace.report/1`.
    pub schema: Schema,
    /// The machine.
    pub host: Host,
    /// What was traced, and how long.
    pub session: Session,
    /// Each hook family, and how it fared.
    pub hooks: Vec<Hook>,
    /// What was seen and what was lost.
    pub coverage: Coverage,
    /// What the tracing cost.
    pub cost: Cost,
    /// Our totals beside the kernel's.
    pub audit: Audit,
    /// Activity of the whole system, whatever the scope.
    #[serde(default)]
    pub system: Option<System>,
    /// Everyone; their sums are the totals.
    pub processes: Vec<Process>,
    /// Absences of threads from their memory, costliest first; two hundred of them.
    #[serde(default)]
    pub incidents: Vec<Incident>,
    /// What happened to the process of the session, in order of time; only where it was asked for.
    #[serde(default)]
    pub timeline: Option<Vec<Moment>>,
    /// Reasons of moves against the kernel's stacks; only with `--verify-reasons`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
    /// Call stacks that mappings refer to.
    pub stacks: Vec<Stack>,
    /// Diagnoses, worst first.
    pub findings: Vec<Finding>,
}

impl Snapshot {
    /// A report in which nothing has been measured yet: fill in what was.
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
            verify: None,
            stacks: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// The process the session was about: the most remote program in scope, when the scope names processes at all.
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

    /// The sum of all processes' allocations; `None` when none was measured.
    #[must_use]
    pub fn alloc_total(&self) -> Option<Alloc> {
        Alloc::sum(
            self.processes
                .iter()
                .filter_map(|process| process.alloc.as_ref()),
        )
    }

    /// The processes, most remote allocations first; see [`Process::rank_key`].
    #[must_use]
    pub fn ranked(&self) -> Vec<&Process> {
        let mut processes: Vec<&Process> = self.processes.iter().collect();
        processes.sort_by_cached_key(|process| process.rank_key());
        processes
    }
}

/// The version of the report's shape. Reading another version fails with a way out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schema;

impl Schema {
    /// What `schema` says. Fields may be added under it; renaming or removing one makes the next.
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
                    "this report is {found:?}, this numatrace reads {name}: read it with the version that wrote it"
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
    /// `kernel.numa_balancing`: bit 0 balancing, bit 1 memory tiering; `None` when the kernel has no such knob.
    pub numa_balancing: Option<u32>,
    /// Every node that existed during the session; arrays "per node" run parallel to this.
    pub nodes: Vec<HostNode>,
}

impl Host {
    /// The position of a node in arrays "per node".
    #[must_use]
    pub fn position(&self, node: NodeId) -> Option<usize> {
        self.nodes
            .iter()
            .position(|candidate| candidate.node == node)
    }
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, DeriveSerialize, DeriveDeserialize)]
pub struct HostNode {
    /// Its number; numbers may have holes.
    pub node: NodeId,
    /// Its CPUs; empty for a node of memory only.
    pub cpus: Vec<CpuId>,
    /// Its memory in KiB; 0 for a node without memory, `None` when unknown.
    pub mem_kb: Option<u64>,
    /// Firmware's distance to each node of the list, 10 is itself; `None` when unknown.
    pub distance: Option<Vec<u32>>,
}

/// What was traced.
#[derive(Clone, Debug, PartialEq, DeriveSerialize, DeriveDeserialize)]
pub struct Session {
    /// The numatrace command: `trace`, `record`, …
    pub command: String,
    /// When counting began.
    pub start: Timestamp,
    /// The same instant in nanoseconds of boot time, which all other times of a report are in that end in `_ns`.
    #[serde(default)]
    pub began_ns: Option<u64>,
    /// How long it counted, in seconds.
    pub duration_s: f64,
    /// Whose details were wanted.
    pub scope: Scope,
    /// With `-i`: which interval this is, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<u64>,
    /// Of a recording: which part of its session this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// What ended the session.
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
    /// Seconds from the begin of the session.
    pub from_s: f64,
    /// Likewise.
    pub to_s: f64,
}

/// What ended a session.
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

/// Whose details a session shows. All empty is the whole system. Totals and audit do not depend on it.
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
    /// Does it name no process at all?
    #[must_use]
    pub fn is_whole_system(&self) -> bool {
        self.pids.is_empty()
            && self.launched.is_empty()
            && self.comms.is_empty()
            && self.cgroups.is_empty()
    }
}

/// Children are followed unless a report says otherwise.
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

/// What the tracing cost. `default()` is not measured.
#[derive(Clone, Debug, Default, PartialEq, DeriveSerialize, DeriveDeserialize)]
pub struct Cost {
    /// How `bpf_ns` was found.
    pub method: Option<CostMethod>,
    /// CPU time of our programs in the kernel, in nanoseconds.
    pub bpf_ns: Option<u64>,
    /// How often they ran.
    pub bpf_runs: Option<u64>,
    /// `bpf_ns` as a share of all CPU time of the machine in the session, 0 to 1.
    pub bpf_cpu_share: Option<f64>,
    /// CPU time of the tracer's own process, in seconds.
    pub tracer_cpu_s: Option<f64>,
    /// Its largest resident memory, in KiB.
    pub tracer_rss_kb: Option<u64>,
    /// With `--max-overhead`: the share that our programs were allowed, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_overhead: Option<f64>,
    /// Details that were given up to stay below it, in order of time. Totals are not among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reduced: Vec<Reduction>,
}

/// Details that a session has from its start up to here, and not after.
#[derive(Clone, Debug, PartialEq, DeriveSerialize, DeriveDeserialize)]
pub struct Reduction {
    /// When, in seconds since the session began.
    pub at_s: f64,
    /// What is not taken any more.
    pub what: String,
    /// Share of all CPU time that our programs took just before, 0 to 1.
    pub share: f64,
}

/// How the cost in the kernel was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DeriveSerialize, DeriveDeserialize)]
#[serde(rename_all = "snake_case")]
pub enum CostMethod {
    /// Kernel statistics on for a part of the session, scaled by our own run counts.
    Sampled,
    /// Kernel statistics on all the time.
    Full,
}

/// Activity of the whole system, whatever the scope; `None` is not measured.
#[derive(Clone, Debug, Default, PartialEq, DeriveSerialize, DeriveDeserialize)]
pub struct System {
    /// Allocations, `[node of the CPU that asked][node of the page]`.
    #[serde(default)]
    pub allocations: Option<Matrix>,
    /// User pages touched first.
    pub first_touch: Option<FirstTouch>,
    /// Sampled accesses.
    pub hint_faults: Option<HintFaults>,
    /// Pages moved between nodes.
    pub page_migrations: Option<PageMigrations>,
    /// Tasks moved between CPUs.
    pub task_moves: Option<TaskMoves>,
    /// CPU time per node, in nanoseconds, idle not counted.
    pub run_ns: Option<PerNode>,
    /// What NUMA balancing did, and whether that helped.
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

    /// Everything in `small` is in `large`; `large` may have added fields.
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
    fn a_report_of_another_version_is_refused_with_a_way_out() {
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
