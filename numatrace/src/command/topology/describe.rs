//! Sections of the document, from the readings of the stages.

use std::collections::BTreeMap;
use std::path::Path;

use crate::capture::sys::{hugepages, limits, meminfo, policy, zoneinfo};
use crate::enrich::topology::{Topology, devices, memory};
use crate::fold::stat::{pressure, room};
use crate::ids::{CpuId, NodeId, Pid, ranges};
use crate::model::name::Name;
use crate::model::stat::pressure::HugePages;
use crate::model::topology::{Access, Device, ProcessLimits, Tier};

/// Returns the memory tiers.
pub fn tiers(root: &Path) -> Vec<Tier> {
    memory::tiers(root)
        .into_iter()
        .map(|memory::Tier { tier, nodes }| Tier { tier, nodes })
        .collect()
}

/// Returns the latency and bandwidth of memory.
pub fn access(root: &Path, topology: &Topology) -> Vec<Access> {
    let access = |access: memory::Access| {
        let memory::Access {
            target,
            initiators,
            read_latency_ns,
            write_latency_ns,
            read_bandwidth_mb,
            write_bandwidth_mb,
        } = access;
        Access {
            target,
            initiators,
            read_latency_ns,
            write_latency_ns,
            read_bandwidth_mb,
            write_bandwidth_mb,
        }
    };
    memory::access(root, topology)
        .into_iter()
        .map(access)
        .collect()
}

/// Returns the devices that belong to a node.
pub fn devices(root: &Path, topology: &Topology) -> Vec<Device> {
    let device = |device: devices::Device| {
        let devices::Device {
            name,
            kind,
            node,
            irqs,
            irq_nodes,
            remote_irqs,
        } = device;
        Device {
            name: Name::from(name),
            kind: kind.to_owned(),
            node,
            irqs,
            irq_nodes,
            remote_irqs,
        }
    };
    devices::read(root, topology)
        .into_iter()
        .map(device)
        .collect()
}

/// Memory that a node has for programs.
pub struct Room {
    /// KiB that programs can get without swapping.
    pub available_kib: Option<u64>,
    /// Pools of huge pages.
    pub huge_pages: Vec<HugePages>,
}

/// Returns what each node has for programs. A part that cannot be read is unknown.
pub fn room(root: &Path, topology: &Topology) -> BTreeMap<NodeId, Room> {
    let zones = zoneinfo::read(root).unwrap_or_default();
    let one = |id: NodeId| {
        let own: Vec<_> = zones.iter().filter(|zone| zone.node == id).collect();
        let rows = meminfo::read_node(root, id).ok();
        let pools = hugepages::read_node(root, id).unwrap_or_default();
        let room = Room {
            available_kib: rows
                .and_then(|rows| room::available(&own, &rows, topology.page_size() / 1024)),
            huge_pages: pools.iter().map(pressure::huge_pages).collect(),
        };
        (id, room)
    };
    topology.node_ids().map(one).collect()
}

/// Returns the limits of a process: our own without a PID.
///
/// # Errors
/// Returns why they cannot be read.
pub fn process(
    root: &Path,
    pid: Option<Pid>,
    topology: &Topology,
) -> Result<ProcessLimits, String> {
    let who = pid.map_or_else(|| "self".to_owned(), |pid| pid.to_string());
    let limits = limits::read(root, &who).map_err(|error| match pid {
        Some(pid) if error.is_absent() => format!("no process {pid}"),
        _ => error.to_string(),
    })?;
    let read_policy = || {
        policy::of_this_thread().map_err(|error| format!("cannot read our memory policy: {error}"))
    };
    let policy = if pid.is_none() {
        Some(shown(&read_policy()?))
    } else {
        None
    };
    let cpus: Vec<CpuId> = limits.cpus.into_iter().map(CpuId).collect();
    let mut cpu_nodes: Vec<NodeId> = cpus
        .iter()
        .filter_map(|&cpu| topology.node_of_cpu(cpu))
        .collect();
    cpu_nodes.sort_unstable();
    cpu_nodes.dedup();
    // The kernel lists allowed nodes up to its build-time limit; only existing ones can be used.
    let mems = limits
        .mems
        .into_iter()
        .filter_map(|node| u16::try_from(node).ok())
        .map(NodeId);
    Ok(ProcessLimits {
        pid,
        policy,
        cpus: cpus
            .into_iter()
            .filter(|&cpu| topology.node_of_cpu(cpu).is_some())
            .collect(),
        cpu_nodes,
        mems: mems.filter(|&node| topology.node(node).is_some()).collect(),
        cgroup: limits.cgroup.map(Name::from),
        cpuset_cpus: limits.cpuset_cpus.map(ranges),
        cpuset_mems: limits.cpuset_mems.map(ranges),
    })
}

/// Returns a policy in the format of numa_maps: `bind:0-1`.
fn shown(policy: &policy::Policy) -> String {
    if policy.nodes.is_empty() {
        return policy.mode.to_owned();
    }
    format!(
        "{}:{}",
        policy.mode,
        ranges(policy.nodes.iter().map(|node| u32::from(node.0)))
    )
}
