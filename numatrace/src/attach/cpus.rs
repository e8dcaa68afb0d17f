//! The table of each CPU's node, which the kernel side reads for task moves. Filled before the
//! first program runs.

use anyhow::Context;
use aya::{Ebpf, maps::Array};
use numatrace_common::mover::CpuEntry;

use crate::ids::{CpuId, NodeId};

/// Writes the node of each CPU into the map `CPUS`.
///
/// # Errors
/// The map is missing, or a CPU number is beyond its end.
pub fn fill(ebpf: &mut Ebpf, cpus: impl Iterator<Item = (CpuId, NodeId)>) -> anyhow::Result<()> {
    let map = ebpf
        .map_mut("CPUS")
        .context("the eBPF object has no map CPUS")?;
    let mut table: Array<_, u32> = map.try_into()?;
    for (cpu, node) in cpus {
        table
            .set(cpu.0, CpuEntry::on(node.0).0, 0)
            .with_context(|| format!("no room for CPU {} in the table of CPUs", cpu.0))?;
    }
    Ok(())
}
