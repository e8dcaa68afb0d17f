//! `numatrace topology`: prints the NUMA topology as text or as a JSON document.

mod describe;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};

use crate::cli::Format;
use crate::cli::topology::TopologyArgs;
use crate::enrich::topology::{Gap, Node, Topology, caches, is_virtual, knobs};
use crate::ids::Pid;
use crate::model::topology::{
    Knob, Machine, MachineNode, MemoryKind, MissingFact, NodeKind, SCHEMA,
};
use crate::output;

/// Runs the command on the machine under `root` and prints to `out`.
///
/// # Errors
/// sysfs cannot be read, the process does not exist, or `out` cannot be written.
pub fn run(args: &TopologyArgs, root: &Path, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let machine = describe(root, args.pid.map(Pid))?;
    let printed = match args.format {
        Format::Json => {
            let json = output::json::to_pretty(&machine);
            out.write_all(
                json.context("cannot write the topology as JSON")?
                    .as_bytes(),
            )
        }
        Format::Text => {
            let text = output::topology::render(&machine, args.cpu_compress);
            out.write_all(output::escape::lines(&text).as_bytes())
        }
    };
    match printed.and_then(|()| out.flush()) {
        // The reader closed our stdout.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        result => result
            .map(|()| ExitCode::SUCCESS)
            .context("cannot write the topology"),
    }
}

/// Describes the machine under `root`, and the limits of a process there: our own without a PID.
///
/// # Errors
/// sysfs cannot be read, or the process does not exist.
pub fn describe(root: &Path, pid: Option<Pid>) -> anyhow::Result<Machine> {
    let topology = Topology::read(root)?;
    let mut missing: Vec<MissingFact> = topology.gaps().iter().map(missing_fact).collect();
    let knobs = knobs::read(root).into_iter().map(|knob| {
        let (value, reason) = match knob.value {
            Ok(value) => (Some(value), None),
            Err(error) => {
                missing.push(MissingFact {
                    what: knob.name.clone(),
                    why: error.to_string(),
                });
                (None, Some(error.to_string()))
            }
        };
        Knob {
            name: knob.name,
            path: knob.path,
            value,
            reason,
            implies: knob.implies,
        }
    });
    let knobs = knobs.collect();
    let process = match describe::process(root, pid, &topology) {
        Ok(process) => Some(process),
        // A process named with -p is the subject; our own limits are a detail.
        Err(why) if pid.is_some() => bail!("{why}"),
        Err(why) => {
            missing.push(MissingFact {
                what: "limits of this process".to_owned(),
                why,
            });
            None
        }
    };
    let room = describe::room(root, &topology);
    Ok(Machine {
        schema: SCHEMA.to_owned(),
        kernel_has_numa: topology.kernel_has_numa(),
        page_size: topology.page_size(),
        nodes: topology
            .nodes()
            .iter()
            .map(|node| machine_node(&topology, node, room.get(&node.id)))
            .collect(),
        offline_nodes: topology.offline().to_vec(),
        knobs,
        caches: caches::read(root, &topology),
        tiers: describe::tiers(root),
        access: describe::access(root, &topology),
        devices: describe::devices(root, &topology),
        process,
        notes: notes(&topology, is_virtual(root)),
        missing,
    })
}

fn missing_fact(gap: &Gap) -> MissingFact {
    MissingFact {
        what: gap.what.clone(),
        why: gap.why.clone(),
    }
}

fn machine_node(topology: &Topology, node: &Node, room: Option<&describe::Room>) -> MachineNode {
    let kind = match (node.is_cpuless(), node.is_memoryless()) {
        (false, false) => NodeKind::Ordinary,
        (true, false) => NodeKind::Cpuless,
        (false, true) => NodeKind::Memoryless,
        (true, true) => NodeKind::Empty,
    };
    MachineNode {
        node: node.id,
        kind,
        memory: topology.memory_kind(node.id),
        cpus: node.cpus.clone(),
        mem_kb: node.mem_kb,
        free_kb: node.free_kb,
        available_kb: room.and_then(|room| room.available_kib),
        huge_pages: room.map_or_else(Vec::new, |room| room.huge_pages.clone()),
        distance: node.distance.clone(),
        has_normal_memory: node.has_normal_memory,
        falls_back_to: topology
            .nearest_memory(node.id)
            .filter(|_| node.is_memoryless()),
        fallback_order: topology.fallback_order(node.id),
    }
}

/// Returns facts about this machine that a reader should know first.
fn notes(topology: &Topology, is_virtual: bool) -> Vec<String> {
    let view = topology.view().iter();
    let mut notes: Vec<String> = view.map(|sentence| format!("{sentence}.")).collect();
    if topology.nodes().len() == 1 {
        notes.push(
            "One node: all memory is local to every CPU, so numa_miss, numa_foreign and other_node \
             stay 0 and placement cannot be wrong. A machine with several sockets that shows one \
             node may have NUMA disabled or node interleaving enabled in its firmware, or numa=off \
             on the kernel command line."
                .to_owned(),
        );
    }
    for node in topology
        .nodes()
        .iter()
        .filter(|node| node.is_memoryless() && !node.is_cpuless())
    {
        let to = topology
            .nearest_memory(node.id)
            .map_or_else(String::new, |to| format!(", node {to}"));
        notes.push(format!(
            "Node {} has CPUs and no memory: their allocations count as numa_hit and other_node on \
             the nearest node with memory{to}; numa_miss and numa_foreign never show them.",
            node.id
        ));
    }
    for node in topology
        .nodes()
        .iter()
        .filter(|node| node.is_cpuless() && !node.is_memoryless())
    {
        let kernel = if node.has_normal_memory {
            ""
        } else {
            "; it is movable-only, so kernel memory never comes from it"
        };
        notes.push(format!(
            "Node {} has memory and no CPU: nothing is local to it, so its local_node stays \
             0{kernel}{}.",
            node.id,
            use_of(topology.memory_kind(node.id))
        ));
    }
    if let Some(flat) = topology.flat_distances(is_virtual) {
        let mut letters = flat.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        notes.push(first.into_iter().chain(letters).chain(['.']).collect());
    }
    if !topology.offline().is_empty() {
        let list = topology
            .offline()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        notes.push(format!("Not online: node {list}."));
    }
    notes
}

/// Says what a node's memory is good for, where that is not what all memory is.
fn use_of(kind: Option<MemoryKind>) -> &'static str {
    match kind {
        Some(MemoryKind::Slow) => {
            ". Its memory is of a slower tier: interleave and bind ordinary programs elsewhere"
        }
        Some(MemoryKind::Gpu) => {
            ". Its memory is a GPU's: ordinary programs should not be bound to it or interleaved \
             over it"
        }
        Some(MemoryKind::Hbm) => {
            ". Its memory is faster than that beside CPUs: programs must ask for it (membind, \
             preferred)"
        }
        Some(MemoryKind::Dram) | None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enrich::topology::fixture::{self, spec};

    #[test]
    fn the_json_document_reads_back_and_names_odd_nodes() {
        let tree = fixture::tree(&[spec(0, &[0, 1], 1024), spec(1, &[2], 0), spec(5, &[], 2048)]);
        let mut out = Vec::new();
        let args = TopologyArgs {
            format: Format::Json,
            ..TopologyArgs::default()
        };
        run(&args, tree.path(), &mut out).unwrap();
        let machine: Machine = serde_json::from_slice(&out).unwrap();
        let kinds: Vec<NodeKind> = machine.nodes.iter().map(|node| node.kind).collect();
        assert_eq!(
            kinds,
            [NodeKind::Ordinary, NodeKind::Memoryless, NodeKind::Cpuless]
        );
        // At equal distances the kernel goes on to the next node in number.
        assert_eq!(machine.nodes[1].falls_back_to, Some(machine.nodes[2].node));
        assert_eq!((machine.schema.as_str(), machine.notes.len()), (SCHEMA, 3));
    }

    #[test]
    fn no_sysfs_is_an_error_with_a_way_out() {
        let empty = tempfile::tempdir().unwrap();
        let error = run(&TopologyArgs::default(), empty.path(), &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("is /sys mounted?"), "{error:#}");
    }
}
