//! Reads one sample of the machine: all files in one pass, those that change fastest first.

mod files;
mod pressure;
mod processes;

use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;

use super::plan::Plan;
use crate::capture::sys::{
    ReadError, cgroup, hugepages, meminfo, numastat, read_text, zone_sums, zoneinfo,
};
use crate::enrich::topology::{Node, Topology, TopologyError};
use crate::fold::stat::meminfo::NodeMemory;
use crate::fold::stat::pressure::{self as fold_pressure, Reading};
use crate::fold::stat::{
    cgroup as fold_cgroup, counters, meminfo as fold_meminfo, since as fold_since, unexplained,
};
use crate::ids::NodeId;
use crate::model::stat::Sample;
use crate::model::stat::counters::Counters;
use crate::model::stat::kinds::CgroupMemory;
use crate::model::stat::memory::MeminfoSection;
use crate::model::topology::MissingFact;

/// Reads samples of one machine, and remembers the last reading for growth.
pub struct Reader<'a> {
    root: &'a Path,
    plan: &'a Plan,
    before: Before,
    saved: Option<Sample>,
}

/// The previous reading.
#[derive(Default)]
struct Before {
    at: Option<Instant>,
    nodes: Vec<NodeId>,
    counters: Vec<Option<Counters>>,
    pressure: Option<Reading>,
}

/// Problems of a reading, to be reported on stderr.
#[derive(Debug, Default)]
pub struct Problems {
    /// One line per problem.
    pub lines: Vec<String>,
    /// Something named on the command line does not exist or cannot be read.
    pub failed: bool,
    /// Everything named on the command line exists, and nothing of it may be read.
    pub all_denied: bool,
}

impl<'a> Reader<'a> {
    /// Creates a reader of the machine under `root`.
    pub fn new(root: &'a Path, plan: &'a Plan) -> Self {
        Self {
            root,
            plan,
            before: Before::default(),
            saved: None,
        }
    }

    /// Computes growth since a saved reading instead of the previous one.
    pub fn since(&mut self, saved: Sample) {
        self.saved = Some(saved);
    }

    /// Reads everything in the plan.
    ///
    /// # Errors
    /// The topology cannot be read.
    pub fn read(&mut self) -> Result<(Sample, Problems), TopologyError> {
        let topology = Topology::read(self.root)?;
        let nodes: Vec<NodeId> = topology.node_ids().collect();
        let mut sample = Sample::new(
            Timestamp::now().to_string(),
            topology.page_size(),
            nodes.clone(),
        );
        let is_empty = |node: &&Node| node.is_cpuless() && node.is_memoryless();
        let empty = topology.nodes().iter().filter(is_empty);
        sample.empty_nodes = empty.map(|node| node.id).collect();
        let mut problems = Problems::default();
        let at = Instant::now();
        sample.interval_s = match &self.saved {
            Some(saved) => fold_since::seconds(saved, &sample),
            None => self
                .before
                .at
                .map(|before| at.duration_since(before).as_secs_f64()),
        };
        // Counters first: reading anything else allocates memory, which the counters count.
        if self.plan.counters {
            self.counters(&topology, &mut sample);
        }
        if self.plan.pressure {
            self.pressure(&mut sample);
        }
        self.before.at = Some(at);
        if self.plan.meminfo {
            sample.meminfo = Some(self.meminfo(&nodes, sample.page_size, &mut sample.missing));
        }
        if !self.plan.targets.is_empty() {
            let section = processes::read(
                self.root,
                self.plan,
                &topology,
                &mut sample.missing,
                &mut problems,
            );
            sample.processes = Some(section);
        }
        if let Some(path) = &self.plan.cgroup {
            sample.cgroup = self.cgroup(path, &nodes, sample.page_size, &mut sample.missing);
            problems.failed |= sample.cgroup.is_none();
        }
        if !self.plan.files.is_empty() {
            files::read(&self.plan.files, &mut sample, &mut problems);
        }
        if let Some(saved) = &self.saved {
            sample.since = fold_since::section(saved, &sample);
            if sample.since.is_none() {
                problems.failed = true;
                problems.lines.push(
                    "the saved reading is not older than this one: is the clock right?".to_owned(),
                );
            }
        }
        problems.lines.extend(
            sample
                .missing
                .iter()
                .map(|fact| format!("{}: {}", fact.what, fact.why)),
        );
        Ok((sample, problems))
    }

    fn counters(&mut self, topology: &Topology, sample: &mut Sample) {
        let now: Vec<Option<Counters>> = sample
            .nodes
            .iter()
            .map(|&node| {
                known(
                    zone_sums::numastat_or_zones(self.root, node),
                    "counters of",
                    node,
                    &mut sample.missing,
                )
                .map(model)
            })
            .collect();
        let has_memory: Vec<bool> = topology
            .nodes()
            .iter()
            .map(|node| !node.is_memoryless())
            .collect();
        let before = match &self.saved {
            Some(saved) => Some(fold_since::counters(saved, &sample.nodes)),
            None => self.before.at.map(|_| self.before.aligned(&sample.nodes)),
        };
        sample.counters = Some(counters::section(
            &now,
            before.as_deref(),
            self.counting(),
            &has_memory,
        ));
        self.before.nodes.clone_from(&sample.nodes);
        self.before.counters = now;
    }

    fn cgroup(
        &self,
        path: &Path,
        nodes: &[NodeId],
        page_size: u64,
        missing: &mut Vec<MissingFact>,
    ) -> Option<CgroupMemory> {
        match cgroup::read(self.root, path) {
            Ok(rows) => Some(CgroupMemory {
                path: path.as_os_str().into(),
                rows: fold_cgroup::rows(&rows, nodes, page_size),
            }),
            Err(error) => {
                let what = format!("memory of cgroup {:?}", path.display().to_string());
                missing.push(MissingFact {
                    what,
                    why: error.to_string(),
                });
                None
            }
        }
    }

    fn pressure(&mut self, sample: &mut Sample) {
        let now = pressure::read(self.root, &sample.nodes, &mut sample.missing);
        // If nodes were added or removed, growth cannot be computed.
        let before = self
            .before
            .pressure
            .take()
            .filter(|before| before.nodes.len() == sample.nodes.len());
        let mut section = fold_pressure::section(
            &now,
            before.as_ref(),
            &sample.nodes,
            sample.page_size / 1024,
        );
        section.settings = pressure::settings(self.root);
        section.findings = fold_pressure::findings(&section, sample.counters.as_ref());
        sample.pressure = Some(section);
        self.before.pressure = Some(now);
    }

    /// Returns whether the kernel counts (`vm.numa_stat`); `None` on kernels before the sysctl,
    /// which always count.
    fn counting(&self) -> Option<bool> {
        Some(read_text(self.root, "proc/sys/vm/numa_stat").ok()?.trim() != "0")
    }

    fn meminfo(
        &self,
        nodes: &[NodeId],
        page_size: u64,
        missing: &mut Vec<MissingFact>,
    ) -> MeminfoSection {
        let root = self.root;
        let zones = pressure::or_missing(zoneinfo::read(root), "zones", missing);
        let mut node = |node: NodeId| NodeMemory {
            rows: known(meminfo::read_node(root, node), "memory of", node, missing),
            pools: known(
                hugepages::read_node(root, node),
                "huge page pools of",
                node,
                missing,
            ),
            ready_kib: zones
                .as_deref()
                .map(|zones| unexplained::ready_kib(zones, node, page_size / 1024)),
        };
        let read: Vec<NodeMemory> = nodes.iter().map(|&id| node(id)).collect();
        fold_meminfo::section(&read, hugepages::default_size_kb(root))
    }
}

impl Before {
    /// Returns its counters in the order of the current nodes.
    fn aligned(&self, nodes: &[NodeId]) -> Vec<Option<Counters>> {
        let counters = |node| {
            self.nodes
                .binary_search(node)
                .ok()
                .and_then(|position| *self.counters.get(position)?)
        };
        nodes.iter().map(counters).collect()
    }
}

/// Returns the value, or `None` and adds a line to `missing`.
fn known<T>(
    read: Result<T, ReadError>,
    what: &str,
    node: NodeId,
    missing: &mut Vec<MissingFact>,
) -> Option<T> {
    read.map_err(|error| {
        missing.push(MissingFact {
            what: format!("{what} node {node}"),
            why: error.to_string(),
        });
    })
    .ok()
}

fn model(read: numastat::NodeCounters) -> Counters {
    let numastat::NodeCounters {
        numa_hit,
        numa_miss,
        numa_foreign,
        interleave_hit,
        local_node,
        other_node,
    } = read;
    Counters {
        numa_hit,
        numa_miss,
        numa_foreign,
        interleave_hit,
        local_node,
        other_node,
    }
}
