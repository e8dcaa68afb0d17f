//! The ground truth of a workload, which it prints as JSON.

use serde::Serialize;
use serde_json::{Map, Value};

use super::memory::Region;
use super::nodes::Nodes;
use super::placement::Placement;

/// One process that took part.
#[derive(Clone, Debug, Default, Serialize, serde::Deserialize)]
pub struct Member {
    /// Process id, in the workload's own PID namespace.
    pub pid: u32,
    /// Process id of its parent.
    pub parent: u32,
    /// Threads that touched memory; the main thread is among them if it did.
    pub tids: Vec<u32>,
    /// Base pages it touched first, per node of [`GroundTruth::nodes`].
    pub placement: Vec<u64>,
}

/// A range of address space that the workload used.
#[derive(Clone, Debug, Serialize)]
pub struct Span {
    /// Its purpose, e.g. `region` or `ballast`.
    pub name: &'static str,
    /// First address, as `0x…`.
    pub start: String,
    /// The first address behind it.
    pub end: String,
}

/// The work of a workload, as the kernel confirmed it. Arrays per node run parallel to `nodes`;
/// matrices are `[from][to]` in the same order.
#[derive(Debug, Serialize)]
pub struct GroundTruth {
    /// The subcommand.
    pub workload: &'static str,
    /// The process that ran it.
    pub pid: u32,
    /// Threads of that process that did the work, the main thread first.
    pub tids: Vec<u32>,
    /// Online nodes.
    pub nodes: Vec<u32>,
    /// Bytes per base page.
    pub page_size: usize,
    /// `CLOCK_BOOTTIME` when the measured part began and ended, in ns.
    pub start_ns: u64,
    /// See `start_ns`.
    pub end_ns: u64,
    /// Minor faults of the process in the measured part, from `getrusage(2)`.
    pub minor_faults: u64,
    /// Base pages touched in the measured part.
    pub pages: u64,
    /// Base pages per node at the end of the measured part, as the kernel confirmed.
    pub placement: Vec<u64>,
    /// Base pages by [node of the touching CPU][node of the page] at first touch, as the kernel
    /// confirmed.
    pub first_touch: Vec<Vec<u64>>,
    /// Address ranges used.
    pub spans: Vec<Span>,
    /// Other processes that took part.
    pub members: Vec<Member>,
    /// Facts that only this workload has.
    #[serde(flatten)]
    pub details: Map<String, Value>,
    /// Claims that the kernel did not confirm; empty when all were confirmed.
    pub problems: Vec<String>,
    /// True once it is printed: some workloads go on after printing.
    #[serde(skip)]
    pub is_printed: bool,
}

impl GroundTruth {
    /// Returns an empty truth of `workload`, with all matrices at 0.
    #[must_use]
    pub fn new(workload: &'static str, nodes: &Nodes) -> Self {
        let n = nodes.online().len();
        Self {
            workload,
            pid: std::process::id(),
            tids: vec![std::process::id()],
            nodes: nodes.online().to_vec(),
            page_size: super::memory::page_size(),
            start_ns: 0,
            end_ns: 0,
            minor_faults: 0,
            pages: 0,
            placement: vec![0; n],
            first_touch: vec![vec![0; n]; n],
            spans: Vec::new(),
            members: Vec::new(),
            details: Map::new(),
            problems: Vec::new(),
            is_printed: false,
        }
    }

    /// Returns whether the kernel confirmed every claim.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.problems.is_empty()
    }

    /// Adds pages that a CPU of `task_node` touched first and that lie as `found`.
    pub fn touched(&mut self, task_node: u32, found: &Placement) {
        let row = self.nodes.iter().position(|&node| node == task_node);
        for (to, count) in found.per_node.iter().enumerate() {
            self.placement[to] += count;
            self.pages += count;
            if let Some(row) = row {
                self.first_touch[row][to] += count;
            }
        }
    }

    /// Adds an address range.
    pub fn span(&mut self, name: &'static str, region: &Region) {
        let start = region.start();
        self.spans.push(Span {
            name,
            start: format!("{start:#x}"),
            end: format!("{:#x}", start + region.len()),
        });
    }

    /// Adds a fact that only this workload has.
    pub fn detail(&mut self, name: &str, value: impl Into<Value>) {
        self.details.insert(name.to_owned(), value.into());
    }

    /// Adds a problem unless `fact` holds.
    pub fn expect(&mut self, fact: bool, otherwise: impl FnOnce() -> String) {
        if !fact {
            self.problems.push(otherwise());
        }
    }

    /// Adds a problem unless all `pages` are in memory as `found` says.
    pub fn expect_present(&mut self, pages: usize, found: &Placement) {
        self.expect(found.present() == pages as u64, || {
            format!("{} of {pages} pages are in memory", found.present())
        });
    }

    /// Adds a problem unless all `pages` lie on `node` as `found` says.
    pub fn expect_all_on(&mut self, what: &str, node: u32, pages: usize, found: &Placement) {
        let there = self
            .nodes
            .iter()
            .position(|&online| online == node)
            .and_then(|at| found.per_node.get(at))
            .copied();
        self.expect(there == Some(pages as u64), || {
            format!(
                "{what}: {pages} pages should lie on node {node}, there are {:?}, absent {}",
                found.per_node, found.absent
            )
        });
    }
}
