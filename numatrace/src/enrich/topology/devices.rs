//! Devices with a node: network cards, NVMe, GPUs, InfiniBand; their node, and the nodes that
//! handle their interrupts.

use std::path::{Path, PathBuf};

use super::nodes::Topology;
use crate::{
    capture::sys::{read_list, read_names, read_text},
    ids::NodeId,
};

/// Classes in sysfs whose devices matter for the placement of work, with their names here.
const CLASSES: [(&str, &str); 5] = [
    ("net", "network"),
    ("nvme", "nvme"),
    ("drm", "gpu"),
    ("accel", "accelerator"),
    ("infiniband", "infiniband"),
];

/// Most levels from a class device up to its bus device with `numa_node`: virtio and SCSI have a
/// few in between.
const LEVELS: usize = 6;

/// One device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name: `eth0`, `nvme0`, `card0`.
    pub name: String,
    /// Its kind: `network`, `nvme`, `gpu`, `accelerator`, `infiniband`.
    pub kind: &'static str,
    /// Its node; `None` when firmware does not say (the kernel's -1).
    pub node: Option<NodeId>,
    /// The number of its interrupts.
    pub irqs: usize,
    /// The nodes whose CPUs handle its interrupts.
    pub irq_nodes: Vec<NodeId>,
    /// The number of interrupts that are handled on other nodes only; `None` when the device has no
    /// node.
    pub remote_irqs: Option<usize>,
}

/// Reads the devices with a bus device behind them, sorted by class and name. Virtual devices have
/// none.
#[must_use]
pub fn read(root: &Path, topology: &Topology) -> Vec<Device> {
    let mut devices = Vec::new();
    for (class, kind) in CLASSES {
        for name in read_names(root, &format!("sys/class/{class}")).unwrap_or_default() {
            // DRM lists connectors and render nodes beside the cards.
            if class == "drm"
                && name
                    .strip_prefix("card")
                    .is_none_or(|number| number.parse::<u32>().is_err())
            {
                continue;
            }
            let Some(bus) = bus_device(root, &format!("sys/class/{class}/{name}/device")) else {
                continue;
            };
            devices.push(device(root, topology, name, kind, &bus));
        }
    }
    devices
}

/// Returns the directory, relative to the root, of the nearest device upwards with a `numa_node`.
fn bus_device(root: &Path, link: &str) -> Option<PathBuf> {
    let top = root.canonicalize().ok()?;
    let mut dir = root.join(link).canonicalize().ok()?;
    for _ in 0..LEVELS {
        if dir.join("numa_node").is_file() {
            return dir.strip_prefix(&top).ok().map(Path::to_path_buf);
        }
        dir = dir
            .parent()
            .filter(|parent| parent.starts_with(&top))?
            .to_path_buf();
    }
    None
}

fn device(
    root: &Path,
    topology: &Topology,
    name: String,
    kind: &'static str,
    bus: &Path,
) -> Device {
    let file = |name: &str| bus.join(name).to_string_lossy().into_owned();
    let node = read_text(root, &file("numa_node"))
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .map(NodeId);
    let irqs = read_names(root, &file("msi_irqs")).unwrap_or_default();
    let handled: Vec<Vec<NodeId>> = irqs
        .iter()
        .filter_map(|irq| irq_nodes(root, topology, irq))
        .collect();
    let mut all: Vec<NodeId> = handled.iter().flatten().copied().collect();
    all.sort_unstable();
    all.dedup();
    let remote = |node: NodeId| {
        handled
            .iter()
            .filter(|nodes| !nodes.is_empty() && !nodes.contains(&node))
            .count()
    };
    Device {
        name,
        kind,
        node,
        irqs: irqs.len(),
        irq_nodes: all,
        remote_irqs: node.map(remote),
    }
}

/// Returns the nodes of the CPUs that handle an interrupt: the effective ones, or else all allowed
/// ones.
fn irq_nodes(root: &Path, topology: &Topology, irq: &str) -> Option<Vec<NodeId>> {
    let list = |name: &str| {
        read_list(root, &format!("proc/irq/{irq}/{name}"))
            .ok()
            .filter(|cpus| !cpus.is_empty())
    };
    let cpus = list("effective_affinity_list").or_else(|| list("smp_affinity_list"))?;
    Some(
        cpus.into_iter()
            .filter_map(|cpu| topology.node_of_cpu(cpu.into()))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::{
        super::fixture::{memory, tree, uniform, write},
        *,
    };

    #[test]
    fn a_device_has_its_bus_devices_node_and_its_interrupts_theirs() {
        let specs = uniform(2, 2);
        let tree = tree(&specs);
        let pci = tree.path().join("sys/devices/pci0/0000:01:00.0");
        write(&pci.join("numa_node"), "1");
        write(&pci.join("virtio0/net/eth0/mtu"), "1500");
        for (irq, cpu) in [("30", "0"), ("31", "3")] {
            write(&pci.join("msi_irqs").join(irq), "msix");
            write(
                &tree
                    .path()
                    .join(format!("proc/irq/{irq}/effective_affinity_list")),
                cpu,
            );
        }
        let net = tree.path().join("sys/class/net");
        write(&net.join("lo/mtu"), "65536");
        std::fs::create_dir_all(net.join("eth0")).unwrap();
        symlink(pci.join("virtio0"), net.join("eth0/device")).unwrap();
        let lost = tree.path().join("sys/devices/pci0/0000:02:00.0");
        write(&lost.join("numa_node"), "-1");
        std::fs::create_dir_all(tree.path().join("sys/class/drm/card0")).unwrap();
        symlink(&lost, tree.path().join("sys/class/drm/card0/device")).unwrap();
        let devices = read(tree.path(), &memory(&specs));
        let eth0 = Device {
            name: "eth0".to_owned(),
            kind: "network",
            node: Some(NodeId(1)),
            irqs: 2,
            irq_nodes: vec![NodeId(0), NodeId(1)],
            remote_irqs: Some(1),
        };
        let card0 = Device {
            name: "card0".to_owned(),
            kind: "gpu",
            node: None,
            irqs: 0,
            irq_nodes: vec![],
            remote_irqs: None,
        };
        assert_eq!(devices, [eth0, card0]);
    }
}
