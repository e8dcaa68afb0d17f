//! The text of `numatrace topology`: `numactl -H` in its words and order, then facts that it lacks.

use std::fmt::Write as _;

use super::escape;
use super::format::size::numactl;
use crate::ids::{NodeId, ranges};
use crate::model::number::{self, UNKNOWN, plural};
use crate::model::stat::pressure::HugePages;
use crate::model::topology::{Knob, Machine, MachineNode, MemoryKind, NodeKind};

/// Longest fallback order that is printed.
const MOST_IN_ORDER: usize = 16;

/// Returns the whole text; with `compress`, CPUs are ranges.
#[must_use]
pub fn render(machine: &Machine, compress: bool) -> String {
    let mut out = String::new();
    hardware(&mut out, machine, compress);
    process(&mut out, machine);
    places(&mut out, machine);
    knobs(&mut out, &machine.knobs);
    for note in &machine.notes {
        line(&mut out, &format!("\nnote: {note}"));
    }
    let unread: Vec<_> = machine.missing.iter().collect();
    if !unread.is_empty() {
        line(&mut out, "\nunknown:");
        for fact in unread {
            line(&mut out, &format!("  {}: {}", fact.what, fact.why));
        }
    }
    out
}

/// Writes the part that `numactl -H` prints, with one more line for special nodes.
fn hardware(out: &mut String, machine: &Machine, compress: bool) {
    let ids = ranges(machine.nodes.iter().map(|node| u32::from(node.node.0)));
    line(
        out,
        &format!("available: {} nodes ({ids})", machine.nodes.len()),
    );
    let (empty, nodes): (Vec<&MachineNode>, Vec<&MachineNode>) = machine
        .nodes
        .iter()
        .partition(|node| node.kind == NodeKind::Empty);
    for node in nodes {
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
            &format!("node {} size: {}", node.node, numactl(node.mem_kb)),
        );
        line(
            out,
            &format!("node {} free: {}", node.node, numactl(node.free_kb)),
        );
        if let Some(kind) = kind(node) {
            line(out, &format!("node {} kind: {kind}", node.node));
        }
    }
    let empty: Vec<NodeId> = empty.iter().map(|node| node.node).collect();
    if let Some(empty) = number::empty_nodes(&empty) {
        line(out, &empty);
    }
    distances(out, &machine.nodes);
    fallback(out, &machine.nodes);
    room(out, &machine.nodes);
}

/// Writes what programs can get from each node without swapping, and huge pages that are free.
fn room(out: &mut String, nodes: &[MachineNode]) {
    let known: Vec<&MachineNode> = nodes
        .iter()
        .filter(|node| node.available_kb.is_some() && node.mem_kb != Some(0))
        .collect();
    if known.is_empty() {
        return;
    }
    line(
        out,
        "available to programs (free and reclaimable, above the watermarks):",
    );
    for node in known {
        let pools = node.huge_pages.iter().filter(|pool| pool.total > 0);
        let pools: String = pools
            .map(|pool| {
                let HugePages {
                    page_kib,
                    total,
                    free,
                } = pool;
                format!("; {free} of {total} huge pages of {page_kib} kB are free")
            })
            .collect();
        line(
            out,
            &format!("{:>3}: {}{pools}", node.node, numactl(node.available_kb)),
        );
    }
}

/// Writes the nodes that the kernel tries for an allocation, in turn. With two of them the order is
/// evident, and with many it is longer than a line.
fn fallback(out: &mut String, nodes: &[MachineNode]) {
    let most = nodes.iter().map(|node| node.fallback_order.len()).max();
    if !most.is_some_and(|most| (3..=MOST_IN_ORDER).contains(&most)) {
        return;
    }
    line(out, "nodes tried for an allocation, in turn:");
    for node in nodes.iter().filter(|node| node.kind != NodeKind::Empty) {
        let order: String = node
            .fallback_order
            .iter()
            .map(|to| format!("{to:>4}"))
            .collect();
        line(out, &format!("{:>3}:{order}", node.node));
    }
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
        NodeKind::Cpuless => Some(format!("CPU-less (memory only){}", memory_kind(node))),
        NodeKind::Memoryless => Some(format!("memoryless (CPUs only){}", fallback())),
        NodeKind::Empty => None,
    }
}

fn memory_kind(node: &MachineNode) -> String {
    let mut words = match node.memory {
        Some(MemoryKind::Slow) => ": slower than DRAM (CXL or persistent memory)".to_owned(),
        Some(MemoryKind::Hbm) => ": faster than DRAM (HBM)".to_owned(),
        Some(MemoryKind::Gpu) => ": memory of a GPU".to_owned(),
        Some(MemoryKind::Dram) | None => String::new(),
    };
    if !node.has_normal_memory {
        words += "; movable-only: kernel memory never comes from it";
    }
    words
}

fn distances(out: &mut String, nodes: &[MachineNode]) {
    if nodes.iter().all(|node| node.distance.is_none()) {
        line(out, "node distances: unknown");
        return;
    }
    line(out, "node distances:");
    let shown = |at: &usize| nodes[*at].kind != NodeKind::Empty;
    let shown: Vec<usize> = (0..nodes.len()).filter(shown).collect();
    let header: String = shown
        .iter()
        .map(|at| format!("{:>4}", nodes[*at].node))
        .collect();
    line(out, &format!("node{header}"));
    for from in shown.iter().map(|at| &nodes[*at]) {
        let distance = |at: &usize| from.distance.as_ref()?.get(*at);
        let cells: String = shown
            .iter()
            .map(|at| distance(at).map_or_else(|| "   -".to_owned(), |to| format!("{to:>4}")))
            .collect();
        line(out, &format!("{:>3}:{cells}", from.node));
    }
}

/// Writes the part that `numactl --show` prints, for this process or another one.
fn process(out: &mut String, machine: &Machine) {
    let Some(process) = &machine.process else {
        return;
    };
    let list = |nodes: &[NodeId]| ranges(nodes.iter().map(|node| u32::from(node.0)));
    let who = process
        .pid
        .map_or_else(|| "this process".to_owned(), |pid| format!("process {pid}"));
    line(out, &format!("\n{who} may use:"));
    if let Some(policy) = &process.policy {
        line(out, &format!("  policy: {policy}"));
    }
    line(
        out,
        &format!(
            "  physcpubind: {} (nodes {})",
            ranges(process.cpus.iter().map(|cpu| cpu.0)),
            list(&process.cpu_nodes)
        ),
    );
    line(out, &format!("  membind: {}", list(&process.mems)));
    if let Some(cgroup) = &process.cgroup {
        let part = |what: &str, list: &Option<String>| {
            list.as_ref()
                .map_or_else(String::new, |list| format!(", {what} {list}"))
        };
        let sets = part("cpus", &process.cpuset_cpus) + &part("mems", &process.cpuset_mems);
        line(
            out,
            &format!("  cgroup: {}{sets}", escape::text(cgroup.as_bytes())),
        );
    }
}

/// Writes caches, tiers, speeds and devices, each with its nodes.
fn places(out: &mut String, machine: &Machine) {
    let list = |nodes: &[NodeId]| match nodes {
        [] => "none".to_owned(),
        nodes => ranges(nodes.iter().map(|node| u32::from(node.0))),
    };
    if !machine.caches.is_empty() {
        line(out, "\nlast-level caches:");
    }
    for cache in &machine.caches {
        let size = cache
            .size_kb
            .map_or_else(String::new, |kb| format!(" {kb} kB"));
        let cpus = ranges(cache.cpus.iter().map(|cpu| cpu.0));
        line(
            out,
            &format!(
                "  L{}{size}: CPUs {cpus}, node {}",
                cache.level,
                list(&cache.nodes)
            ),
        );
    }
    if machine.tiers.len() > 1 {
        line(out, "\nmemory tiers, fastest first:");
        for tier in &machine.tiers {
            line(
                out,
                &format!("  tier {}: node {}", tier.tier, list(&tier.nodes)),
            );
        }
    }
    if !machine.access.is_empty() {
        line(
            out,
            "\nspeed of memory according to firmware (distances and speeds are not measured):",
        );
    }
    for access in &machine.access {
        let number = |value: Option<u64>| {
            value.map_or_else(|| UNKNOWN.to_owned(), |value| value.to_string())
        };
        let latency = format!(
            "read {} ns, write {} ns",
            number(access.read_latency_ns),
            number(access.write_latency_ns)
        );
        let bandwidth = format!(
            "read {} MB/s, write {} MB/s",
            number(access.read_bandwidth_mb),
            number(access.write_bandwidth_mb)
        );
        line(
            out,
            &format!(
                "  node {} from node {}: {latency}, {bandwidth}",
                access.target,
                list(&access.initiators)
            ),
        );
    }
    if !machine.devices.is_empty() {
        line(out, "\ndevices:");
    }
    for device in &machine.devices {
        let node = device
            .node
            .map_or_else(|| "node unknown".to_owned(), |node| format!("node {node}"));
        let irqs = match (device.irqs, device.remote_irqs) {
            (0, _) => String::new(),
            (all, Some(remote)) if remote > 0 => format!(
                ", {remote} of {} handled on other nodes ({})",
                plural(all, "interrupt"),
                list(&device.irq_nodes)
            ),
            (all, _) => {
                let interrupts = plural(all, "interrupt");
                format!(", {interrupts} on node {}", list(&device.irq_nodes))
            }
        };
        line(
            out,
            &format!(
                "  {} ({}): {node}{irqs}",
                escape::text(device.name.as_bytes()),
                device.kind
            ),
        );
    }
}

/// Writes two lines per knob: some names and meanings together are wider than a terminal.
fn knobs(out: &mut String, knobs: &[Knob]) {
    if knobs.is_empty() {
        return;
    }
    line(out, "\nknobs:");
    for knob in knobs {
        let value = knob.value.as_deref().unwrap_or("unreadable");
        line(out, &format!("  {} = {value}", knob.name));
        line(out, &format!("      {}", knob.implies));
    }
}

fn line(out: &mut String, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::CpuId;
    use crate::model::cache::Cache;
    use crate::model::topology::{Access, Device, MissingFact, ProcessLimits, SCHEMA, Tier};

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
            memory: (mem_kb > 0 && id > 1).then_some(MemoryKind::Slow),
            cpus: cpus.iter().copied().map(CpuId).collect(),
            mem_kb: Some(mem_kb),
            free_kb: Some(mem_kb / 2),
            available_kb: (id == 0).then_some(mem_kb.saturating_sub(1024)),
            huge_pages: vec![HugePages {
                page_kib: 2048,
                total: u64::from(id == 0) * 8,
                free: 3,
            }],
            distance,
            has_normal_memory: mem_kb > 0,
            falls_back_to: (mem_kb == 0).then_some(NodeId(0)),
            fallback_order: vec![],
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
            caches: vec![Cache {
                level: 3,
                size_kb: Some(1024),
                cpus: vec![CpuId(0), CpuId(1)],
                nodes: vec![NodeId(0)],
            }],
            tiers: vec![
                Tier {
                    tier: 4,
                    nodes: vec![NodeId(0)],
                },
                Tier {
                    tier: 22,
                    nodes: vec![NodeId(12)],
                },
            ],
            access: vec![Access {
                target: NodeId(12),
                initiators: vec![NodeId(0), NodeId(1)],
                read_latency_ns: Some(300),
                write_latency_ns: None,
                read_bandwidth_mb: Some(9000),
                write_bandwidth_mb: None,
            }],
            devices: vec![Device {
                name: "eth0\u{1b}[2J".into(),
                kind: "network".to_owned(),
                node: Some(NodeId(1)),
                irqs: 4,
                irq_nodes: vec![NodeId(0)],
                remote_irqs: Some(4),
            }],
            process: Some(ProcessLimits {
                pid: None,
                policy: Some("bind:0".to_owned()),
                cpus: vec![CpuId(0), CpuId(1)],
                cpu_nodes: vec![NodeId(0)],
                mems: vec![NodeId(0), NodeId(12)],
                cgroup: Some("/a".into()),
                cpuset_cpus: None,
                cpuset_mems: Some("0,12".to_owned()),
            }),
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
node 12 kind: CPU-less (memory only): slower than DRAM (CXL or persistent memory)
node distances:
node   0   1  12
  0:  10  21 255
  1:   -   -   -
 12: 255  21  10
available to programs (free and reclaimable, above the watermarks):
  0: 2047 MB; 3 of 8 huge pages of 2048 kB are free

this process may use:
  policy: bind:0
  physcpubind: 0-1 (nodes 0)
  membind: 0,12
  cgroup: /a, mems 0,12

last-level caches:
  L3 1024 kB: CPUs 0-1, node 0

memory tiers, fastest first:
  tier 4: node 0
  tier 22: node 12

speed of memory according to firmware (distances and speeds are not measured):
  node 12 from node 0-1: read 300 ns, write - ns, read 9000 MB/s, write - MB/s

devices:
  eth0\\x1b[2J (network): node 1, 4 of 4 interrupts handled on other nodes (0)

knobs:
  vm.zone_reclaim_mode = 0
      a full node spills

note: Node 1 has no memory.

unknown:
  distances of node 1: garbage
";
        assert_eq!(render(&machine(), false), wanted);
        let mut reserved = machine();
        let empty = (13..41).map(|id| node(id, NodeKind::Empty, &[], 0, None));
        reserved.nodes.extend(empty);
        let text = render(&reserved, false);
        let wanted = wanted
            .replace("3 nodes (0-1,12)", "31 nodes (0-1,12-40)")
            .replace(
                "node distances:",
                "28 nodes without CPUs and memory: 13-40\nnode distances:",
            );
        assert_eq!(text, wanted);
        assert!(render(&machine(), true).contains("node 0 cpus: 0-1,4\n"));
    }
}
