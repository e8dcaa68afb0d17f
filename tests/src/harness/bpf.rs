//! BPF objects in the kernel, listed by bpf(2) itself, since guests have no bpftool.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::poll::{PollTimeout, poll};

/// `BPF_PROG_GET_NEXT_ID`, `BPF_MAP_GET_NEXT_ID`, `BPF_LINK_GET_NEXT_ID` of the kernel's `bpf.h`.
const NEXT_ID: [(Kind, i64); 3] = [(Kind::Prog, 11), (Kind::Map, 12), (Kind::Link, 31)];

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A program.
    Prog,
    /// A map.
    Map,
    /// An attachment.
    Link,
}

/// Objects by kind and id. The kernel does not reuse an id before it has counted through all of
/// them.
pub type Ids = BTreeSet<(Kind, u32)>;

/// Returns all objects in the kernel.
///
/// # Errors
/// The caller may not list them.
pub fn alive() -> Result<Ids> {
    let mut ids = Ids::new();
    for (kind, command) in NEXT_ID {
        let mut last = 0;
        while let Some(id) =
            next(command, last).with_context(|| format!("cannot list {kind:?} ids"))?
        {
            ids.insert((kind, id));
            last = id;
        }
    }
    Ok(ids)
}

/// Returns the objects that a process has descriptors of, from its `fdinfo`.
///
/// # Errors
/// The process is gone.
pub fn held_by(pid: u32) -> Result<Ids> {
    let mut ids = Ids::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
        // A descriptor may close between listing and reading.
        let Ok(text) = std::fs::read_to_string(entry?.path()) else {
            continue;
        };
        for line in text.lines() {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            let kind = match name {
                "prog_id" => Kind::Prog,
                "map_id" => Kind::Map,
                "link_id" => Kind::Link,
                _ => continue,
            };
            if let Ok(id) = value.trim().parse() {
                ids.insert((kind, id));
            }
        }
    }
    Ok(ids)
}

/// Waits until none of `ids` is in the kernel, and returns those that are still there at the
/// deadline. No event tells the end of an object: the kernel frees it when it finds time.
///
/// # Errors
/// The caller may not list them.
pub fn left_after(ids: &Ids, deadline: Duration) -> Result<Ids> {
    let until = Instant::now() + deadline;
    loop {
        let left: Ids = alive()?.intersection(ids).copied().collect();
        if left.is_empty() || Instant::now() >= until {
            return Ok(left);
        }
        poll(&mut [], PollTimeout::from(20u8))?;
    }
}

/// Returns the paths below `/sys/fs/bpf`, where objects are pinned. Empty when no bpf file system
/// is mounted.
#[must_use]
pub fn pins() -> BTreeSet<std::path::PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![Path::new("/sys/fs/bpf").to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path.clone());
            }
            found.insert(path);
        }
    }
    found
}

/// The first bytes of `union bpf_attr` for the three commands.
#[repr(C)]
struct Attr {
    start_id: u32,
    next_id: u32,
    open_flags: u32,
}

fn next(command: i64, after: u32) -> Result<Option<u32>> {
    let mut attr = Attr {
        start_id: after,
        next_id: 0,
        open_flags: 0,
    };
    // SAFETY: the kernel reads and writes the bytes of `attr`, whose size it is given.
    let done = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut attr, size_of::<Attr>()) };
    if done == 0 {
        return Ok(Some(attr.next_id));
    }
    let error = std::io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::ENOENT) {
        Ok(None)
    } else {
        Err(error.into())
    }
}
