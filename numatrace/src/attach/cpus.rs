//! The table of each CPU's node and last-level cache, which the kernel side reads for task moves.
//! Filled before the first program runs.

use anyhow::Context;
use aya::{Ebpf, maps::Array};
use numatrace_common::mover::CpuEntry;

use crate::ids::{CpuId, NodeId};

/// A CPU as the kernel side has to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// Its number.
    pub id: CpuId,
    /// Its node.
    pub node: NodeId,
    /// Number of its last-level cache, from 0; `None` where it is not known, and where no node has
    /// several.
    pub cache: Option<u32>,
}

impl Cpu {
    fn entry(self) -> CpuEntry {
        let entry = CpuEntry::on(self.node.0);
        self.cache.map_or(entry, |number| entry.with_cache(number))
    }
}

/// Writes each CPU into the map `CPUS`.
///
/// # Errors
/// The map is missing, or a CPU number is beyond its end.
pub fn fill(ebpf: &mut Ebpf, cpus: impl Iterator<Item = Cpu>) -> anyhow::Result<()> {
    let map = ebpf
        .map_mut("CPUS")
        .context("the eBPF object has no map CPUS")?;
    let mut table: Array<_, u32> = map.try_into()?;
    for cpu in cpus {
        table
            .set(cpu.id.0, cpu.entry().0, 0)
            .with_context(|| format!("no room for CPU {} in the table of CPUs", cpu.id.0))?;
    }
    Ok(())
}
