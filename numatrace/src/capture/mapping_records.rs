//! Mappings as they are made, from the kernel's own records: one perf event on each CPU that
//! samples nothing and only reports mmap(2), mprotect(2), brk(2) and exec.
//!
//! A process that lasts some milliseconds maps its files, uses them and ends before `/proc` can be
//! read. Its records stay.

use std::io;

use perf_event::{
    Builder, Clock, SampleFlag, Sampler,
    data::{Mmap2, Record},
    events::Software,
};

use crate::ids::CpuId;

/// Bytes of a CPU's buffer: an exec writes about 4 kB, so a CPU can make about a hundred in the 10
/// ms between two drains.
const RING_BYTES: usize = 512 << 10;

/// Bytes of a CPU's buffer on machines with more than [`MANY`] CPUs, where the buffers would take
/// more memory than everything else together.
const SMALL_RING_BYTES: usize = 128 << 10;

/// Up to this number of CPUs each has a large buffer.
const MANY: usize = 32;

/// The buffers.
#[derive(Default)]
pub struct MappingRecords {
    rings: Vec<Sampler>,
    lost: u64,
    rejected: u64,
}

impl MappingRecords {
    /// Opens a buffer for each of these CPUs that is online.
    ///
    /// # Errors
    /// Why this machine refuses it, for a person.
    pub fn open(cpus: &[CpuId]) -> Result<Self, String> {
        let bytes = if cpus.len() > MANY {
            SMALL_RING_BYTES
        } else {
            RING_BYTES
        };
        let mut rings = Vec::with_capacity(cpus.len());
        for cpu in cpus {
            match open(*cpu, bytes) {
                Ok(ring) => rings.push(ring),
                // The CPU is offline.
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {}
                Err(error) => return Err(why(&error)),
            }
        }
        Ok(Self {
            rings,
            ..Self::default()
        })
    }

    /// Calls `each` for every record written since the last call, CPU by CPU, with its time (ns
    /// since boot).
    pub fn drain(&mut self, each: &mut dyn FnMut(&Mmap2<'_>, u64)) {
        for ring in &mut self.rings {
            while let Some(record) = ring.next_record() {
                // Every record ends with its time, whatever its type (`sample_id_all`).
                let time_ns = record
                    .to_contiguous()
                    .last_chunk()
                    .map_or(0, |last| u64::from_ne_bytes(*last));
                match record.parse_record() {
                    Ok(Record::Mmap2(record)) => each(&record, time_ns),
                    Ok(Record::Lost(record)) => self.lost += record.lost,
                    Ok(_) => {}
                    Err(_) => self.rejected += 1,
                }
            }
        }
    }

    /// Returns the number of records so far for which a buffer had no room.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Returns the number of records so far that could not be read.
    pub fn rejected(&self) -> u64 {
        self.rejected
    }
}

fn open(cpu: CpuId, bytes: usize) -> io::Result<Sampler> {
    let mut ring = Builder::new(Software::DUMMY)
        .any_pid()
        .one_cpu(cpu.0 as usize)
        .include_kernel()
        .mmap(true)
        .mmap2(true)
        .mmap_data(true)
        .sample(SampleFlag::TIME)
        .sample_id_all(true)
        // The clock of all other records.
        .clockid(Clock::BOOTTIME)
        // Never wakes this process: the buffers are drained when the ring buffer is.
        .wakeup_watermark(bytes)
        .build()?
        .sampled(bytes)?;
    ring.enable()?;
    Ok(ring)
}

/// Returns the meaning of a refusal.
fn why(error: &io::Error) -> String {
    let meaning = match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => "refused (CAP_PERFMON)",
        Some(libc::EMFILE) => "too many open files (ulimit -n)",
        Some(libc::ENOSYS | libc::ENOENT) => "this kernel has no perf events",
        _ => return format!("perf_event_open: {error}"),
    };
    format!("perf_event_open: {meaning}")
}
