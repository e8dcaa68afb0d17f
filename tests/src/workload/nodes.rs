//! The machine's nodes and their CPUs, and how to run on the CPUs of one node.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use nix::sched::{CpuSet, sched_getcpu, sched_setaffinity};
use nix::unistd::Pid;

use super::trouble::Trouble;

const SYS_NODE: &str = "/sys/devices/system/node";

/// Nodes as `/sys/devices/system/node` shows them.
#[derive(Clone, Debug)]
pub struct Nodes {
    online: Vec<u32>,
    with_memory: Vec<u32>,
    cpus: BTreeMap<u32, Vec<u32>>,
}

impl Nodes {
    /// Reads the machine's nodes.
    ///
    /// # Errors
    /// [`Trouble::Unsupported`] without NUMA support in the kernel.
    pub fn read() -> Result<Self, Trouble> {
        Self::read_from(Path::new(SYS_NODE))
    }

    /// Reads nodes from a different root than `/sys/devices/system/node`.
    ///
    /// # Errors
    /// [`Trouble::Unsupported`] without such a folder; a failure when its lists do not parse.
    pub fn read_from(root: &Path) -> Result<Self, Trouble> {
        let list = |name: &str| -> Result<Vec<u32>> {
            let text = std::fs::read_to_string(root.join(name))
                .with_context(|| format!("cannot read {name} of the nodes"))?;
            parse_list(text.trim())
        };
        if !root.join("online").exists() {
            return Err(Trouble::Unsupported(format!(
                "the kernel has no NUMA support ({} is missing)",
                root.display()
            )));
        }
        let online = list("online")?;
        let cpus = online
            .iter()
            .map(|node| Ok((*node, list(&format!("node{node}/cpulist"))?)))
            .collect::<Result<_>>()?;
        Ok(Self {
            with_memory: list("has_memory")?,
            online,
            cpus,
        })
    }

    /// Returns the online nodes, ascending.
    #[must_use]
    pub fn online(&self) -> &[u32] {
        &self.online
    }

    /// Returns the nodes that have memory.
    #[must_use]
    pub fn with_memory(&self) -> &[u32] {
        &self.with_memory
    }

    /// Returns the online CPUs of a node; empty when it has none.
    #[must_use]
    pub fn cpus(&self, node: u32) -> &[u32] {
        self.cpus.get(&node).map_or(&[], Vec::as_slice)
    }

    /// Returns the node itself if it has memory.
    ///
    /// # Errors
    /// [`Trouble::Unsupported`] without such a node, or without memory on it.
    pub fn memory(&self, node: u32) -> Result<u32, Trouble> {
        if self.with_memory.contains(&node) {
            return Ok(node);
        }
        Err(Trouble::Unsupported(format!(
            "node {node} has no memory; nodes with memory: {:?}",
            self.with_memory
        )))
    }

    /// Returns the lowest node with memory and CPUs other than `node`.
    ///
    /// # Errors
    /// [`Trouble::Unsupported`] when there is none.
    pub fn other_than(&self, node: u32) -> Result<u32, Trouble> {
        let other = self
            .with_memory
            .iter()
            .find(|&&n| n != node && !self.cpus(n).is_empty());
        other.copied().ok_or_else(|| {
            Trouble::Unsupported(format!(
                "needs a node with memory and CPUs other than node {node}"
            ))
        })
    }

    /// Keeps the calling thread on the CPUs of `node`, and checks that it runs there.
    ///
    /// # Errors
    /// [`Trouble::Unsupported`] when the node has no CPU.
    pub fn run_on(&self, node: u32) -> Result<(), Trouble> {
        let cpus = self.cpus(node);
        if cpus.is_empty() {
            return Err(Trouble::Unsupported(format!(
                "node {node} has no CPU to run on"
            )));
        }
        pin(cpus)?;
        let here = self.here()?;
        if here != node {
            return Err(anyhow!("pinned to node {node}, but running on node {here}").into());
        }
        Ok(())
    }

    /// Lets the calling thread run on all nodes again.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn run_anywhere(&self) -> Result<()> {
        pin(&self.cpus.values().flatten().copied().collect::<Vec<_>>())
    }

    /// Returns the node of the CPU that the calling thread runs on at this moment.
    ///
    /// # Errors
    /// That CPU belongs to no node.
    pub fn here(&self) -> Result<u32> {
        let cpu = u32::try_from(sched_getcpu()?)?;
        let node = self
            .cpus
            .iter()
            .find(|(_, cpus)| cpus.contains(&cpu))
            .map(|(node, _)| *node);
        node.with_context(|| format!("CPU {cpu} belongs to no node"))
    }
}

/// Keeps the calling thread on these CPUs; the thread is there when this returns.
///
/// # Errors
/// There is no such CPU, or the thread may not run there.
pub fn pin(cpus: &[u32]) -> Result<()> {
    let mut set = CpuSet::new();
    for cpu in cpus {
        set.set(*cpu as usize)
            .with_context(|| format!("CPU {cpu} is beyond what an affinity mask holds"))?;
    }
    sched_setaffinity(Pid::from_raw(0), &set)
        .with_context(|| format!("cannot pin to CPUs {cpus:?}"))
}

/// Parses the kernel's list syntax, `0-3,8`; an empty text is an empty list.
///
/// # Errors
/// A part is no number or range.
pub fn parse_list(text: &str) -> Result<Vec<u32>> {
    let mut all = Vec::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let bounds = (first.parse::<u32>(), last.parse::<u32>());
        let (Ok(first), Ok(last)) = bounds else {
            anyhow::bail!(
                "{part:?} in list {text:?} is no number or range; write lists like 0-3,8"
            );
        };
        all.extend(first..=last);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_ranges_single_numbers_and_may_be_empty() {
        assert_eq!(parse_list("0-2,8").unwrap(), [0, 1, 2, 8]);
        assert_eq!(parse_list("").unwrap(), [] as [u32; 0]);
        assert!(parse_list("0-x").is_err());
    }
}
