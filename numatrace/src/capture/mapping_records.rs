//! Mappings as they are made, from the kernel's own records: one software event on each CPU that samples nothing and only tells of
//! mmap(2), mprotect(2), brk(2) and exec.
//!
//! A process that lasts some milliseconds has mapped its files, used them and gone before anybody can look into `/proc`. The records stay.

use std::io;

use perf_event::{
    Builder, Clock, SampleFlag, Sampler,
    data::{Mmap2, Record},
    events::Software,
};

use crate::ids::CpuId;

/// Bytes of a CPU's buffer: an exec writes about 4 kB, so some hundred of them in the 10 ms between two looks are too many for it.
const RING_BYTES: usize = 512 << 10;

/// The same where there are so many CPUs that the buffers would take more than all else together.
const SMALL_RING_BYTES: usize = 128 << 10;

/// More CPUs than this are many.
const MANY: usize = 32;

/// The buffers.
#[derive(Default)]
pub struct MappingRecords {
    rings: Vec<Sampler>,
    lost: u64,
    rejected: u64,
}

impl MappingRecords {
    /// Begins to listen on all of these CPUs that are online.
    ///
    /// # Errors
    /// Why this machine does not allow it.
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
                // Installed and switched off.
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {}
                Err(error) => return Err(why(&error)),
            }
        }
        Ok(Self {
            rings,
            ..Self::default()
        })
    }

    /// Hands over what has been written since, CPU by CPU, each with its time (ns since boot).
    pub fn drain(&mut self, each: &mut dyn FnMut(&Mmap2<'_>, u64)) {
        for ring in &mut self.rings {
            while let Some(record) = ring.next_record() {
                // The time stands at the end of every record, whatever it says (`sample_id_all`).
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

    /// Records for which a buffer had no room, so far.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Records that made no sense, so far.
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
        // Nobody is woken: they are looked at when the ring of records is.
        .wakeup_watermark(bytes)
        .build()?
        .sampled(bytes)?;
    ring.enable()?;
    Ok(ring)
}

/// What a refusal means.
fn why(error: &io::Error) -> String {
    let meaning = match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => "refused (CAP_PERFMON)",
        Some(libc::EMFILE) => "too many open files (ulimit -n)",
        Some(libc::ENOSYS | libc::ENOENT) => "this kernel has no perf events",
        _ => return format!("perf_event_open: {error}"),
    };
    format!("perf_event_open: {meaning}")
}
