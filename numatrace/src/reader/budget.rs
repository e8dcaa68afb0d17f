//! Limits of what a file may cost: memory by the size of what is read of it, and time.

use std::time::Duration;

/// Memory that any file may cost, bytes. The reader itself needs some of it.
pub const MEMORY: u64 = 28 << 20;
/// Memory for each byte that is read: the copy, debug information that is unpacked, and tables. Of
/// numatrace's own lines and symbols, 68 MiB, each byte takes 2; compressed to 28 MiB, each takes
/// 5.
pub const MEMORY_PER_BYTE: u64 = 8;
/// Most memory for one file, bytes.
pub const MOST_MEMORY: u64 = 2 << 30;
/// Most bytes of a file that are read: more takes seconds and gigabytes.
pub const MOST_READ: u64 = 256 << 20;
/// Address space of the reader with all of its files, bytes.
pub const ADDRESS_SPACE: u64 = 4 << 30;

/// CPU time that any file may cost.
pub const CPU: Duration = Duration::from_millis(1200);
/// CPU time for each MiB that is read.
pub const CPU_PER_MIB: Duration = Duration::from_millis(150);
/// CPU time that one request may take, seconds, should the other limit fail.
pub const CPU_SECONDS: u64 = 60;

/// Time that the tracer waits for all answers about a file: CPU time is what stops a hostile file,
/// so this may allow for a busy machine and a slow disk.
pub const WAIT: Duration = Duration::from_secs(5);
/// Waiting time for each MiB of the file.
pub const WAIT_PER_MIB: Duration = Duration::from_millis(250);
/// Time for the reader to start.
pub const START: Duration = Duration::from_secs(5);
/// Time that all files of a report may take.
pub const REPORT: Duration = Duration::from_secs(60);
/// Time that files without names may take in a session.
pub const IN_VAIN: Duration = Duration::from_secs(10);

/// Returns the memory for a file of which so many bytes are read.
pub fn memory(read: u64) -> u64 {
    MEMORY
        .saturating_add(read.saturating_mul(MEMORY_PER_BYTE))
        .min(MOST_MEMORY)
}

/// Returns the CPU time for a file of which so many bytes are read.
pub fn cpu(read: u64) -> Duration {
    CPU + per_mib(CPU_PER_MIB, read)
}

/// Returns the waiting time for a file of so many bytes.
pub fn wait(size: u64) -> Duration {
    WAIT + per_mib(WAIT_PER_MIB, size.min(MOST_READ))
}

fn per_mib(time: Duration, bytes: u64) -> Duration {
    time.saturating_mul(u32::try_from(bytes >> 20).unwrap_or(u32::MAX))
}
