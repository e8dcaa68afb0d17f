//! Runs that are still open when a session ends: they are in per-CPU maps, not in the ring.

use std::sync::Arc;

use anyhow::Context;
use aya::{
    Ebpf,
    maps::{MapData, PerCpuArray},
};
use bytemuck::Pod;
use numatrace_common::event::{
    fill_run::{FillRun, OpenFill},
    mapping_run::{OpenTouch, OpenUse, TouchRun, UseRun},
    pages_moved::{OpenMoved, PagesMoved},
};

use super::{cpu_state::CpuStates, map};

/// Readings after which the last one is accepted: a run may grow meanwhile, but must not be read
/// half written.
const ATTEMPTS: usize = 8;

/// The maps of open runs.
pub struct OpenRuns {
    cpus: Arc<CpuStates>,
    hugetlb: PerCpuArray<MapData, [u8; size_of::<OpenTouch>()]>,
    uses: PerCpuArray<MapData, [u8; size_of::<OpenUse>()]>,
    fills: PerCpuArray<MapData, [u8; size_of::<OpenFill>()]>,
    moves: PerCpuArray<MapData, [u8; size_of::<OpenMoved>()]>,
}

impl OpenRuns {
    /// Takes the maps out of the loaded object.
    ///
    /// # Errors
    /// The object lacks one: a build error.
    pub fn take(ebpf: &mut Ebpf, cpus: Arc<CpuStates>) -> anyhow::Result<Self> {
        Ok(Self {
            cpus,
            hugetlb: map::take(ebpf, "OPEN_TOUCH")?,
            uses: map::take(ebpf, "OPEN_USE")?,
            fills: map::take(ebpf, "OPEN_FILL")?,
            moves: map::take(ebpf, "OPEN_MOVED")?,
        })
    }

    /// Returns the open runs of first touches.
    ///
    /// # Errors
    /// The error of bpf(2).
    pub fn touches(&self) -> anyhow::Result<Vec<TouchRun>> {
        let of_allocations = steady(|| {
            let cpus = self.cpus.read()?;
            Ok(cpus.iter().map(|cpu| cpu.open).collect::<Vec<_>>())
        })?;
        let of_hugetlb = steady(|| entries::<OpenTouch, _>(&self.hugetlb))?;
        Ok(of_allocations
            .iter()
            .chain(&of_hugetlb)
            .filter(|slot| slot.task != 0)
            .map(|slot| slot.run)
            .collect())
    }

    /// Returns the open runs of hinting faults.
    ///
    /// # Errors
    /// The error of bpf(2).
    pub fn uses(&self) -> anyhow::Result<Vec<UseRun>> {
        let slots = steady(|| entries::<OpenUse, _>(&self.uses))?;
        let open = slots.iter().filter(|slot| slot.task != 0);
        Ok(open.map(|slot| slot.run).collect())
    }

    /// Returns the open runs of page-cache fills.
    ///
    /// # Errors
    /// The error of bpf(2).
    pub fn fills(&self) -> anyhow::Result<Vec<FillRun>> {
        let slots = steady(|| entries::<OpenFill, _>(&self.fills))?;
        let open = slots.iter().filter(|slot| slot.task != 0);
        Ok(open.map(|slot| slot.run).collect())
    }

    /// Returns the open runs of page moves.
    ///
    /// # Errors
    /// The error of bpf(2).
    pub fn moves(&self) -> anyhow::Result<Vec<PagesMoved>> {
        let slots = steady(|| entries::<OpenMoved, _>(&self.moves))?;
        let open = slots.iter().filter(|slot| slot.began_ns != 0);
        Ok(open.map(|slot| slot.run).collect())
    }
}

/// Reads the entry of every CPU.
fn entries<T: Pod, const SIZE: usize>(
    map: &PerCpuArray<MapData, [u8; SIZE]>,
) -> anyhow::Result<Vec<T>> {
    let mut all = Vec::new();
    for index in 0..map.len() {
        let per_cpu = map.get(&index, 0).context("cannot read the open runs")?;
        let entries = per_cpu.iter();
        all.extend(entries.map(|bytes| bytemuck::pod_read_unaligned::<T>(bytes.as_slice())));
    }
    Ok(all)
}

/// Reads until two readings agree.
fn steady<T: PartialEq>(read: impl Fn() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let mut last = read()?;
    for _ in 0..ATTEMPTS {
        let again = read()?;
        if again == last {
            break;
        }
        last = again;
    }
    Ok(last)
}
