//! Loads the eBPF object for the running kernel.

use std::path::Path;

use anyhow::anyhow;
use aya::EbpfLoader;

use crate::{
    attach::{
        self, Loaded,
        globals::{Addresses, NodeSets, Switches},
        kallsyms::{KALLSYMS, Symbols},
        kernel_enum::ReasonNames,
        preemption::Preemption,
        preflight::{Preflight, Refusal},
        prototype::Mismatches,
        reading::Reading,
    },
    capture::sys::zoneinfo::{self, Zone},
    enrich::topology::Topology,
    exit::{Exit, Failure},
};

/// Loads the object for this kernel; nothing is attached yet.
///
/// # Errors
/// A [`Failure`] with its hint when this machine or user does not allow it; a member of a kernel
/// struct that this kernel lacks.
pub fn load(topology: &Topology, switches: Switches, debug: bool) -> anyhow::Result<Loaded> {
    let loader = Reading::begin(EbpfLoader::new);
    let symbols = Reading::begin(|| Symbols::of_session(Path::new(KALLSYMS)));
    let found = Preflight::of(Path::new("/"));
    if let Some(refusal) = found.refusal() {
        return Err(refused(refusal).into());
    }
    let symbols = symbols.end()?;
    load_for(
        loader,
        &found,
        &symbols,
        node_sets(topology),
        switches,
        debug,
    )
}

/// Loads the object for a machine that the preflight has already examined.
///
/// # Errors
/// The kernel has no BTF, lacks a member of a struct, or refuses maps.
pub fn load_for(
    loader: Reading<EbpfLoader<'static>>,
    found: &Preflight,
    symbols: &Symbols,
    nodes: NodeSets,
    switches: Switches,
    debug: bool,
) -> anyhow::Result<Loaded> {
    let btf = found.btf.as_ref().map_err(|why| anyhow!(why.clone()))?;
    // Without the preempt count, which kallsyms may hide, interrupts cannot be distinguished from
    // tasks: the report's coverage says so.
    let (preempt, gap) = match symbols.preempt_count(btf) {
        Ok(found) => (Some(found), None),
        Err(gap) => (None, Some(gap.to_string())),
    };
    let preemption = Preemption::of(Path::new("/"));
    let addresses = Addresses {
        preempt_count: preempt.map_or(0, |found| found.symbol),
        per_cpu_offset: preempt.map_or(0, |found| found.per_cpu_offset),
    };
    let mut globals = attach::globals::globals(btf, switches, addresses, nodes, preemption)?;
    // With lockdown=confidentiality, programs that call bpf_probe_read_kernel do not load, so they
    // are built without it.
    globals.probe_read = u32::from(found.trial.probe_read.is_ok());
    let mut loaded = attach::load(
        loader,
        btf,
        &globals,
        Mismatches::of(btf),
        preemption,
        switches.faults,
        debug,
    )?;
    loaded.interrupts_unknown = gap.or_else(|| {
        (globals.probe_read == 0).then(|| "this machine refuses reads of kernel memory".to_owned())
    });
    loaded.reasons = ReasonNames::of(btf);
    Ok(loaded)
}

fn refused(refusal: Refusal) -> Failure {
    let Refusal { what, why, way_out } = refusal;
    Failure::new(Exit::Refused, format!("{what}: {why}"), way_out)
}

/// Returns the nodes that can serve each kind of allocation, for the kernel side.
fn node_sets(topology: &Topology) -> NodeSets {
    let mut sets = NodeSets::default();
    for node in topology.nodes() {
        if !node.is_memoryless() {
            NodeSets::add(&mut sets.has_memory, node.id);
        }
        if node.has_normal_memory {
            NodeSets::add(&mut sets.has_normal_memory, node.id);
        }
    }
    // Without the file no request for low memory finds its own node to have none of it.
    let Ok(zones) = zoneinfo::read(Path::new("/")) else {
        sets.has_dma_memory = sets.has_memory;
        sets.has_dma32_memory = sets.has_memory;
        return sets;
    };
    low_memory(&mut sets, &zones);
    sets
}

/// Notes the nodes that have low memory. A kernel without zones of it serves requests for it as all
/// others.
fn low_memory(sets: &mut NodeSets, zones: &[Zone]) {
    for zone in zones {
        if zone.name == "DMA" {
            NodeSets::add(&mut sets.has_dma_memory, zone.node);
        }
        if zone.name == "DMA" || zone.name == "DMA32" {
            NodeSets::add(&mut sets.has_dma32_memory, zone.node);
        }
    }
    let none = [0; 16];
    if sets.has_dma32_memory == none {
        sets.has_dma32_memory = sets.has_normal_memory;
    }
    if sets.has_dma_memory == none {
        sets.has_dma_memory = sets.has_dma32_memory;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::NodeId;

    fn zone(node: u16, name: &str) -> Zone {
        Zone {
            node: NodeId(node),
            name: name.to_owned(),
            managed: 1,
            ..Zone::default()
        }
    }

    fn low_memory_of(zones: &[Zone]) -> (u64, u64) {
        let mut sets = NodeSets::default();
        for node in [0, 1] {
            NodeSets::add(&mut sets.has_normal_memory, NodeId(node));
        }
        low_memory(&mut sets, zones);
        (sets.has_dma_memory[0], sets.has_dma32_memory[0])
    }

    #[test]
    fn only_nodes_with_low_memory_serve_requests_for_it() {
        let all = [zone(0, "DMA"), zone(0, "DMA32"), zone(0, "Normal")];
        let second_is_high = [&all[..], &[zone(1, "Normal")]].concat();
        assert_eq!(low_memory_of(&second_is_high), (0b01, 0b01));
        let second_is_movable = [&all[..], &[zone(1, "Movable")]].concat();
        assert_eq!(low_memory_of(&second_is_movable), (0b01, 0b01));
        let second_is_low = [&all[..], &[zone(1, "DMA32")]].concat();
        assert_eq!(low_memory_of(&second_is_low), (0b01, 0b11));
    }

    #[test]
    fn a_kernel_without_zones_of_low_memory_serves_it_everywhere() {
        let normal = [zone(0, "Normal"), zone(1, "Normal")];
        assert_eq!(low_memory_of(&normal), (0b11, 0b11));
        let no_dma = [zone(0, "DMA32"), zone(1, "Normal")];
        assert_eq!(low_memory_of(&no_dma), (0b01, 0b01));
    }
}
