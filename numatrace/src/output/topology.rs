//! The text of `numatrace topology`: `numactl -H` first, in its words and order, then what it leaves out.

use std::fmt::Write as _;

use crate::ids::ranges;
use crate::model::topology::{Knob, Machine, MachineNode, NodeKind};

/// The whole text. `compress` prints CPUs as ranges.
#[must_use]
pub fn render(machine: &Machine, compress: bool) -> String {
    let mut out = String::new();
    hardware(&mut out, machine, compress);
    knobs(&mut out, &machine.knobs);
    for note in &machine.notes {
        line(&mut out, &format!("\nnote: {note}"));
    }
    let unread: Vec<_> = machine.missing.iter().collect();
    if !unread.is_empty() {
        line(&mut out, "\nnot known:");
        for fact in unread {
            line(&mut out, &format!("  {}: {}", fact.what, fact.why));
        }
    }
    out
}

/// The part that `numactl -H` prints, with a line more for nodes that are not ordinary.
fn hardware(out: &mut String, machine: &Machine, compress: bool) {
    let ids = ranges(machine.nodes.iter().map(|node| u32::from(node.node.0)));
    line(
        out,
        &format!("available: {} nodes ({ids})", machine.nodes.len()),
    );
    for node in &machine.nodes {
        let cpus = if compress {
            ranges(node.cpus.iter().map(|cpu| cpu.0))
        } else {
            node.cpus
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        };
        line(out, format!("node {} cpus: {cpus}", node.node).trim_end());
        line(
            out,
            &format!("node {} size: {}", node.node, mebibytes(node.mem_kb)),
        );
        line(
            out,
            &format!("node {} free: {}", node.node, mebibytes(node.free_kb)),
        );
        if let Some(kind) = kind(node) {
            line(out, &format!("node {} kind: {kind}", node.node));
        }
    }
    distances(out, &machine.nodes);
}

/// numactl's MB are MiB, rounded down.
fn mebibytes(kib: Option<u64>) -> String {
    kib.map_or_else(|| "unknown".to_owned(), |kib| format!("{} MB", kib / 1024))
}

fn kind(node: &MachineNode) -> Option<String> {
    let fallback = || {
        node.falls_back_to.map_or_else(String::new, |to| {
            format!("; its CPUs get memory from node {to}")
        })
    };
    match node.kind {
        NodeKind::Ordinary if node.has_normal_memory => None,
        NodeKind::Ordinary => {
            Some("movable-only memory: kernel memory never comes from it".to_owned())
        }
        NodeKind::Cpuless => Some("CPU-less (memory only)".to_owned()),
        NodeKind::Memoryless => Some(format!("memoryless (CPUs only){}", fallback())),
        NodeKind::Empty => Some("empty: neither CPUs nor memory online".to_owned()),
    }
}

fn distances(out: &mut String, nodes: &[MachineNode]) {
    if nodes.iter().all(|node| node.distance.is_none()) {
        line(out, "node distances: unknown");
        return;
    }
    line(out, "node distances:");
    let header: String = nodes
        .iter()
        .map(|node| format!("{:>4}", node.node))
        .collect();
    line(out, &format!("node{header}"));
    for from in nodes {
        let cells: String = match &from.distance {
            Some(row) => row
                .iter()
                .map(|distance| format!("{distance:>4}"))
                .collect(),
            None => nodes.iter().map(|_| "   -").collect(),
        };
        line(out, &format!("{:>3}:{cells}", from.node));
    }
}

/// Two lines a knob: some names and meanings together are wider than a terminal.
fn knobs(out: &mut String, knobs: &[Knob]) {
    if knobs.is_empty() {
        return;
    }
    line(out, "\nknobs in force:");
    for knob in knobs {
        let value = knob.value.as_deref().unwrap_or("unreadable");
        line(out, &format!("  {} = {value}", knob.name));
        line(out, &format!("      {}", knob.implies));
    }
}

/// Writing to a String cannot fail.
fn line(out: &mut String, text: &str) {
    let _ = writeln!(out, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{CpuId, NodeId};
    use crate::model::topology::{MissingFact, SCHEMA};

    fn node(
        id: u16,
        kind: NodeKind,
        cpus: &[u32],
        mem_kb: u64,
        distance: Option<Vec<u32>>,
    ) -> MachineNode {
        MachineNode {
            node: NodeId(id),
            kind,
            cpus: cpus.iter().copied().map(CpuId).collect(),
            mem_kb: Some(mem_kb),
            free_kb: Some(mem_kb / 2),
            distance,
            has_normal_memory: mem_kb > 0,
            falls_back_to: (mem_kb == 0).then_some(NodeId(0)),
        }
    }

    fn machine() -> Machine {
        Machine {
            schema: SCHEMA.to_owned(),
            kernel_has_numa: true,
            page_size: 4096,
            nodes: vec![
                node(
                    0,
                    NodeKind::Ordinary,
                    &[0, 1, 4],
                    2_097_152,
                    Some(vec![10, 21, 255]),
                ),
                node(1, NodeKind::Memoryless, &[2], 0, None),
                node(12, NodeKind::Cpuless, &[], 4096, Some(vec![255, 21, 10])),
            ],
            offline_nodes: vec![],
            knobs: vec![Knob {
                name: "vm.zone_reclaim_mode".to_owned(),
                path: "/proc/sys/vm/zone_reclaim_mode".to_owned(),
                value: Some("0".to_owned()),
                reason: None,
                implies: "a full node spills".to_owned(),
            }],
            notes: vec!["Node 1 has no memory.".to_owned()],
            missing: vec![MissingFact {
                what: "distances of node 1".to_owned(),
                why: "garbage".to_owned(),
            }],
        }
    }

    #[test]
    fn the_page_begins_as_numactl_does_and_names_odd_nodes() {
        let wanted = "\
available: 3 nodes (0-1,12)
node 0 cpus: 0 1 4
node 0 size: 2048 MB
node 0 free: 1024 MB
node 1 cpus: 2
node 1 size: 0 MB
node 1 free: 0 MB
node 1 kind: memoryless (CPUs only); its CPUs get memory from node 0
node 12 cpus:
node 12 size: 4 MB
node 12 free: 2 MB
node 12 kind: CPU-less (memory only)
node distances:
node   0   1  12
  0:  10  21 255
  1:   -   -   -
 12: 255  21  10

knobs in force:
  vm.zone_reclaim_mode = 0
      a full node spills

note: Node 1 has no memory.

not known:
  distances of node 1: garbage
";
        assert_eq!(render(&machine(), false), wanted);
        assert!(render(&machine(), true).contains("node 0 cpus: 0-1,4\n"));
    }
}
