//! Sweeps of the totals: the counts so far, read while the programs continue to count.
//!
//! A count is in a bin of a per-CPU slot until it is flushed into a map, and during the flush it is
//! in both. A sweep reads slots, maps, and slots again: when the bins of closed epochs are the same
//! in both readings and none is being flushed, no count was seen twice or missed. Closed epochs get
//! no new events, except for the few under way when the epoch changed, so the two readings soon
//! agree however busy the machine is.
//!
//! A program that is preempted in the middle of a flush keeps its slot changing for as long as its
//! task waits for the CPU. After some readings a sweep leaves such slots to the next sweep.

use std::{os::fd::AsFd, sync::Arc, thread, time::Duration};

use anyhow::{Context, anyhow};
use aya::{
    Ebpf,
    maps::{Map, MapData, PerCpuArray},
};
use numatrace_common::{
    slot::{SLOTS, Slot},
    totals::{TotalKey, TotalValue},
};

use super::{
    batch,
    closed_bins::ClosedBins,
    cpu_state::CpuStates,
    map,
    returned::{Reading, Returned},
};

/// Readings without a pause between them.
const AT_ONCE: u32 = 10;
/// Readings after which a sweep leaves the slots that still change to the next one.
const ATTEMPTS: u32 = 100;
/// Pause between two readings: time for a task that waits for its CPU.
const PAUSE: Duration = Duration::from_millis(1);

/// The maps that hold totals.
pub struct TotalsMaps {
    totals: MapData,
    overflowed: MapData,
    cpus: Arc<CpuStates>,
    slots: PerCpuArray<MapData, [u8; size_of::<Slot>()]>,
    returned: Returned,
}

/// The result of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Counts since the last sweep, each with its full epoch number.
    pub counts: Vec<(u64, TotalKey, TotalValue)>,
    /// False when slots changed in every reading: their counts are left to the next sweep.
    pub consistent: bool,
}

impl TotalsMaps {
    /// Takes the maps out of the loaded object.
    ///
    /// # Errors
    /// The object lacks one: a build error.
    pub fn take(ebpf: &mut Ebpf, cpus: Arc<CpuStates>) -> anyhow::Result<Self> {
        let mut hash = |name: &'static str| match ebpf.take_map(name) {
            Some(Map::HashMap(data)) => Ok(data),
            _ => Err(anyhow!("the eBPF object has no hash map {name}")),
        };
        let (totals, overflowed) = (hash("TOTALS")?, hash("OVERFLOWED")?);
        Ok(Self {
            totals,
            overflowed,
            cpus,
            slots: map::take(ebpf, "SLOTS")?,
            returned: Returned::default(),
        })
    }

    /// Returns the counts of epochs before `current` that no earlier sweep returned.
    ///
    /// # Errors
    /// The error of bpf(2).
    pub fn sweep(&mut self, current: u64) -> anyhow::Result<Sweep> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let before = self.closed_bins(current)?;
            let totals = entries(&self.totals)?;
            let overflowed = entries(&self.overflowed)?;
            let mut bins = self.closed_bins(current)?;
            let consistent = bins.agree_with(&before);
            if consistent || attempt == ATTEMPTS {
                bins.leave_out_changing(&before);
                let new = self.returned.take_new(
                    current,
                    &Reading {
                        totals: &totals,
                        overflowed: &overflowed,
                        bins: bins.counts(),
                        left_out: bins.left_out(),
                    },
                );
                batch::delete_all(self.totals.fd().as_fd(), &new.finished_totals)
                    .and_then(|()| {
                        batch::delete_all(self.overflowed.fd().as_fd(), &new.finished_overflowed)
                    })
                    .context("cannot trim the totals")?;
                return Ok(Sweep {
                    counts: new.counts,
                    consistent,
                });
            }
            if attempt >= AT_ONCE {
                thread::sleep(PAUSE);
            }
        }
    }

    /// Reads the bins and streaks of closed epochs, of all CPUs and slots.
    fn closed_bins(&self, current: u64) -> anyhow::Result<ClosedBins> {
        let mut closed = ClosedBins::before(current);
        for cpu in self.cpus.read()? {
            closed.add(&cpu.slot, cpu.counts());
        }
        for index in 0..SLOTS {
            let per_cpu = self.slots.get(&index, 0).context("cannot read the slots")?;
            for bytes in per_cpu.iter() {
                let slot: Slot = bytemuck::pod_read_unaligned(bytes);
                closed.add(&slot, slot.counts());
            }
        }
        Ok(closed)
    }
}

fn entries(map: &MapData) -> anyhow::Result<Vec<(TotalKey, TotalValue)>> {
    batch::lookup_all(map.fd().as_fd()).context("cannot read the totals")
}
