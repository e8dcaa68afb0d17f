//! capture: reads bytes: the ring buffer, sweeps of the maps, numastat, `/proc` and `/sys`,
//! recordings.

pub mod batch;
pub mod boundary;
mod closed_bins;
pub mod control;
pub mod cost;
pub mod counting;
pub mod cpu_state;
pub mod fdinfo;
pub mod kernel_text;
pub mod losses;
mod map;
pub mod mapping_records;
pub mod numastat;
pub mod open_runs;
pub mod recording;
pub mod returned;
pub mod ring;
pub mod run_now;
pub mod stacks;
pub mod sys;
pub mod totals;
pub mod vm_counters;

/// One record as the kernel wrote it, unchecked.
#[derive(Clone, Copy, Debug)]
pub struct RawRecord<'a>(pub &'a [u8]);

/// A source of records.
pub trait Source {
    /// Calls `each` for the records that are there now, in order; returns their number.
    ///
    /// # Errors
    /// The source broke. An empty source is no error.
    fn drain(&mut self, each: &mut dyn FnMut(RawRecord<'_>)) -> anyhow::Result<usize>;
}
