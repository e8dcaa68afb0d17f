//! Places of programs: nodes for their CPUs and for their memory, in the options of numactl(8) and
//! in words.

use super::{has_cpus, has_memory};
use crate::model::Host;
use crate::model::finding::words;

/// Nodes for the CPUs and for the memory of a program, by their positions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Nodes whose CPUs it may use; empty leaves the CPUs as they are.
    pub cpus: Vec<usize>,
    /// Its memory; `None` leaves the policy as it is.
    pub memory: Option<Memory>,
}

/// A memory policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Only these nodes.
    Bind(Vec<usize>),
    /// These nodes in turn.
    Interleave(Vec<usize>),
    /// All nodes in turn.
    InterleaveAll,
    /// This node first.
    Preferred(usize),
    /// The node of the CPU.
    Local,
}

impl Place {
    /// CPUs and memory of these nodes.
    pub fn on(nodes: impl IntoIterator<Item = usize>) -> Self {
        let nodes: Vec<usize> = nodes.into_iter().collect();
        Self {
            cpus: nodes.clone(),
            memory: Some(Memory::Bind(nodes)),
        }
    }

    /// The CPUs of these nodes.
    pub fn cpus(nodes: impl IntoIterator<Item = usize>) -> Self {
        Self {
            cpus: nodes.into_iter().collect(),
            memory: None,
        }
    }

    /// A memory policy.
    pub fn memory(memory: Memory) -> Self {
        Self {
            cpus: Vec::new(),
            memory: Some(memory),
        }
    }

    /// Puts the nearest nodes that have CPUs, or memory, in the place of nodes without. Leaves out
    /// other nodes that lack what is wanted; `None` when nothing is left of a part, and for a place
    /// that leaves all as it is: a start without options changes nothing.
    pub(super) fn possible(&self, host: &Host) -> Option<Self> {
        if self.cpus.is_empty() && self.memory.is_none() {
            return None;
        }
        let with = |nodes: &[usize], has: fn(&Host, usize) -> bool| {
            let nodes = nodes.iter().copied().filter(|node| has(host, *node));
            nodes.collect::<Vec<usize>>()
        };
        let near = |node: &usize| match has_cpus(host, *node) {
            true => vec![*node],
            false => words::with_cpus_near(host, *node),
        };
        let nearest = host.nearest_memory();
        let memory_of = |node: &usize| nearest.get(*node).copied().flatten().unwrap_or(*node);
        let cpus: Vec<usize> = self.cpus.iter().flat_map(near).collect();
        let memory = match &self.memory {
            Some(Memory::Bind(nodes)) => {
                let nodes: Vec<usize> = nodes.iter().map(memory_of).collect();
                Some(Memory::Bind(with(&nodes, has_memory)))
            }
            Some(Memory::Interleave(nodes)) => Some(Memory::Interleave(with(nodes, has_memory))),
            other => other.clone(),
        };
        let has_nodes = match &memory {
            Some(Memory::Bind(nodes)) => !nodes.is_empty(),
            Some(Memory::Interleave(nodes)) => nodes.len() > 1,
            Some(Memory::Preferred(node)) => has_memory(host, *node),
            Some(Memory::InterleaveAll) => words::ordinary(host).len() > 1,
            _ => true,
        };
        let has_cpus = cpus.is_empty() == self.cpus.is_empty();
        (has_nodes && has_cpus).then_some(Self { cpus, memory })
    }

    pub(super) fn options(&self, host: &Host) -> (Option<String>, Option<String>) {
        let list = |nodes: &[usize]| words::node_list(host, nodes.iter().copied());
        // numactl refuses to name a node without memory, also for its CPUs.
        let named = self.cpus.iter().all(|node| has_memory(host, *node));
        let cpus = (!self.cpus.is_empty()).then(|| match named {
            true => format!("--cpunodebind={}", list(&self.cpus)),
            false => format!("--physcpubind={}", super::cpus(host, &self.cpus)),
        });
        let memory = self.memory.as_ref().map(|memory| match memory {
            Memory::Bind(nodes) => format!("--membind={}", list(nodes)),
            Memory::Interleave(nodes) => format!("--interleave={}", list(nodes)),
            Memory::InterleaveAll => format!("--interleave={}", words::interleave(host)),
            Memory::Preferred(node) => format!("--preferred={}", list(&[*node])),
            Memory::Local => "--localalloc".to_owned(),
        });
        (cpus, memory)
    }

    /// Names the place as the arguments of a call that binds: "the CPUs of node 1". `None` for a
    /// place that leaves all as it is, and for one that the machine does not have.
    pub(super) fn in_words(&self, host: &Host) -> Option<String> {
        let place = self.possible(host)?;
        let nodes = |nodes: &[usize]| words::nodes(host, nodes.iter().copied());
        let cpus = (!place.cpus.is_empty()).then(|| format!("the CPUs of {}", nodes(&place.cpus)));
        let memory = place.memory.as_ref().map(|memory| match memory {
            Memory::Bind(on) => nodes(on),
            Memory::Interleave(on) => format!("{} in turn (MPOL_INTERLEAVE)", nodes(on)),
            Memory::InterleaveAll => "all nodes in turn (MPOL_INTERLEAVE)".to_owned(),
            Memory::Preferred(on) => {
                format!("{} until that is full (MPOL_PREFERRED)", nodes(&[*on]))
            }
            Memory::Local => "the node of the CPU (MPOL_LOCAL)".to_owned(),
        });
        let parts: Vec<String> = [cpus, memory].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(" and "))
    }

    /// Says what is different afterwards.
    pub(super) fn expect(&self, host: &Host) -> String {
        let nodes = |nodes: &[usize]| words::nodes(host, nodes.iter().copied());
        let cpus = (!self.cpus.is_empty()).then(|| format!("it runs on {}", nodes(&self.cpus)));
        let memory = self.memory.as_ref().map(|memory| match memory {
            Memory::Bind(on) => format!("its memory is on {}", nodes(on)),
            Memory::Interleave(on) => format!("its memory is spread over {}", nodes(on)),
            Memory::InterleaveAll => "its memory is spread over all nodes".to_owned(),
            Memory::Preferred(on) => format!(
                "its memory is on {} until that is full, then elsewhere",
                nodes(&[*on])
            ),
            Memory::Local => "its memory is on the node of the CPU that touches it".to_owned(),
        });
        [cpus, memory]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(", and ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{finding::words::tests::host, topology::MemoryKind};

    #[test]
    fn programs_are_bound_to_cpus_where_there_are_some_and_memory_likewise() {
        let dram = Some(MemoryKind::Dram);
        let slow = Some(MemoryKind::Slow);
        let host = host(&[(true, dram), (true, None), (true, dram), (false, slow)]);
        for (positions, cpus, memory) in [
            (&[0][..], "--cpunodebind=0", "--membind=0"),
            (&[1], "--physcpubind=1", "--membind=0"),
            (&[3], "--cpunodebind=2", "--membind=3"),
            (&[0, 2], "--cpunodebind=0,2", "--membind=0,2"),
        ] {
            let place = Place::on(positions.iter().copied())
                .possible(&host)
                .unwrap();
            let options = place.options(&host);
            assert_eq!(options, (Some(cpus.to_owned()), Some(memory.to_owned())));
        }
        let spread = Place::memory(Memory::InterleaveAll)
            .possible(&host)
            .unwrap();
        assert_eq!(spread.options(&host).1.as_deref(), Some("--interleave=0,2"));
    }

    #[test]
    fn a_place_that_leaves_all_as_it_is_is_no_place() {
        let host = host(&[(true, None), (false, Some(MemoryKind::Dram))]);
        assert_eq!(Place::cpus([]).possible(&host), None);
    }

    #[test]
    fn memory_of_one_node_is_not_spread() {
        let host = host(&[
            (true, Some(MemoryKind::Dram)),
            (false, Some(MemoryKind::Gpu)),
        ]);
        assert_eq!(Place::memory(Memory::InterleaveAll).possible(&host), None);
    }
}
