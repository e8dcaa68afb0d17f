//! The state of each CPU that the hot programs keep: streaks and bins for a sweep of the totals,
//! and the open run of first touches.

use anyhow::Context;
use aya::{
    Ebpf,
    maps::{MapData, PerCpuArray},
};
use numatrace_common::cpu::CpuState;

use super::map;

/// The map with one element for each CPU.
pub struct CpuStates(PerCpuArray<MapData, [u8; size_of::<CpuState>()]>);

impl CpuStates {
    /// Takes the map out of the loaded object.
    ///
    /// # Errors
    /// The object has no such map: a build error.
    pub fn take(ebpf: &mut Ebpf) -> anyhow::Result<Self> {
        Ok(Self(map::take(ebpf, "CPU_STATE")?))
    }

    /// Reads the state of all CPUs, which may change meanwhile.
    ///
    /// # Errors
    /// The error of bpf(2).
    pub fn read(&self) -> anyhow::Result<Vec<CpuState>> {
        let per_cpu = self.0.get(&0, 0).context("cannot read the CPUs' state")?;
        Ok(per_cpu
            .iter()
            .map(|bytes| bytemuck::pod_read_unaligned(bytes))
            .collect())
    }
}
