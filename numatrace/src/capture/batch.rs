//! `BPF_MAP_LOOKUP_BATCH` and `BPF_MAP_DELETE_BATCH` on hash maps, which aya does not offer: a
//! sweep of 100,000 entries takes a few system calls instead of 200,000. See bpf(2) and
//! include/uapi/linux/bpf.h (`union bpf_attr`, "batch").

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use bytemuck::{Pod, Zeroable};

const BPF_MAP_LOOKUP_BATCH: libc::c_int = 24;
const BPF_MAP_DELETE_BATCH: libc::c_int = 27;

/// Entries per call. A call holds a bucket lock only while it copies that bucket.
const CHUNK: u32 = 16_384;

/// The `batch` member of `union bpf_attr`.
#[repr(C)]
#[derive(Clone, Copy, Zeroable, Pod)]
struct BatchAttr {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

/// Returns all entries of a hash map. Entries added or removed meanwhile may be missing; no entry
/// appears twice.
///
/// # Errors
/// The error of bpf(2).
pub fn lookup_all<K: Pod, V: Pod>(map: BorrowedFd<'_>) -> io::Result<Vec<(K, V)>> {
    let mut found = Vec::new();
    let mut cursor: Option<u32> = None;
    let mut chunk = CHUNK;
    loop {
        let mut keys = vec![K::zeroed(); chunk as usize];
        let mut values = vec![V::zeroed(); chunk as usize];
        let mut next = 0u32;
        let mut attr = BatchAttr {
            in_batch: cursor.as_ref().map_or(0, address),
            out_batch: address_mut(&mut next),
            keys: keys.as_mut_ptr() as u64,
            values: values.as_mut_ptr() as u64,
            count: chunk,
            map_fd: raw(map),
            elem_flags: 0,
            flags: 0,
        };
        let done = match bpf(BPF_MAP_LOOKUP_BATCH, &mut attr) {
            Ok(()) => false,
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => true,
            // One bucket has more entries than the buffer: repeat the call with a larger one.
            Err(error) if error.raw_os_error() == Some(libc::ENOSPC) && chunk < 1 << 24 => {
                chunk *= 2;
                continue;
            }
            Err(error) => return Err(error),
        };
        let got = attr.count as usize;
        found.extend(keys.into_iter().zip(values).take(got));
        if done {
            return Ok(found);
        }
        cursor = Some(next);
    }
}

/// Removes entries. An entry that is already gone is no error.
///
/// # Errors
/// The error of bpf(2).
pub fn delete_all<K: Pod>(map: BorrowedFd<'_>, keys: &[K]) -> io::Result<()> {
    let mut rest = keys;
    while !rest.is_empty() {
        let now = &rest[..rest.len().min(CHUNK as usize)];
        let mut attr = BatchAttr {
            keys: now.as_ptr() as u64,
            count: u32::try_from(now.len()).unwrap_or(CHUNK),
            map_fd: raw(map),
            ..BatchAttr::zeroed()
        };
        let done = match bpf(BPF_MAP_DELETE_BATCH, &mut attr) {
            Ok(()) => now.len(),
            // `count` entries were deleted; the next one was gone.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => attr.count as usize + 1,
            Err(error) => return Err(error),
        };
        rest = &rest[done.min(rest.len())..];
    }
    Ok(())
}

fn bpf(command: libc::c_int, attr: &mut BatchAttr) -> io::Result<()> {
    // SAFETY: bpf(2) with a batch attribute: every pointer in it refers to a live buffer of `count`
    // elements of the sizes that the map was created with (the callers' types), and the kernel
    // writes only within those.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            &raw mut *attr,
            size_of::<BatchAttr>(),
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn address<T>(value: &T) -> u64 {
    std::ptr::from_ref(value) as u64
}

fn address_mut<T>(value: &mut T) -> u64 {
    std::ptr::from_mut(value) as u64
}

fn raw(map: BorrowedFd<'_>) -> u32 {
    map.as_raw_fd().unsigned_abs()
}
