//! A new mapping: `PERF_RECORD_MMAP2` (include/uapi/linux/perf_event.h), which the kernel writes
//! for mmap(2), mprotect(2), brk(2) and exec, with the path and numbers of the file at that moment.

use perf_event::data::Mmap2;
use serde::{Deserialize, Serialize};

use super::mapping_run::FileId;
use crate::{ids::Pid, model::Name};

/// `PROT_WRITE`, `PROT_EXEC` and `MAP_SHARED` (include/uapi/asm-generic/mman-common.h,
/// include/uapi/linux/mman.h).
const WRITE: u32 = 0x2;
const EXEC: u32 = 0x4;
const SHARED: u32 = 0x1;

/// The kernel's name for plain anonymous memory, which has no name in `/proc/PID/maps`.
const ANONYMOUS: &[u8] = b"//anon";

/// A new mapping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappingMade {
    /// The process.
    pub pid: Pid,
    /// Time, ns since boot.
    pub time_ns: u64,
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// True if code in it may be executed.
    pub executable: bool,
    /// True if it may be written.
    pub writable: bool,
    /// True if other processes see writes to it.
    pub shared: bool,
    /// Offset of its start in the file, in bytes.
    pub offset: u64,
    /// Its file.
    pub file: Option<FileId>,
    /// Path or `[name]`; empty for plain memory.
    pub name: Name,
}

impl MappingMade {
    /// Reads a record; `None` for an empty or overflowing range.
    pub fn of(record: &Mmap2<'_>, time_ns: u64) -> Option<Self> {
        let numbers = || {
            let ino = record.ino().filter(|ino| *ino != 0)?;
            let dev = record.maj()?.checked_shl(20)? | record.min()?;
            Some(FileId { dev, ino })
        };
        let name: &[u8] = match &*record.filename {
            ANONYMOUS => b"",
            name => name,
        };
        Some(Self {
            pid: Pid(record.pid),
            time_ns,
            start: record.addr,
            end: record
                .addr
                .checked_add(record.len)
                .filter(|end| *end > record.addr)?,
            executable: record.prot & EXEC != 0,
            writable: record.prot & WRITE != 0,
            shared: record.flags & SHARED != 0,
            offset: record.pgoff,
            file: numbers(),
            name: Name::from(name),
        })
    }
}
