//! The scope map, from userspace: the processes that are in scope from the start.

use anyhow::Context;
use aya::{Ebpf, maps::HashMap};
use numatrace_common::scope::ScopeEntry;

use crate::ids::Pid;

/// Puts a process into scope.
///
/// # Errors
/// The map is full or missing.
pub fn insert(ebpf: &mut Ebpf, pid: Pid, entry: ScopeEntry) -> anyhow::Result<()> {
    let map = ebpf
        .map_mut("SCOPE")
        .context("the eBPF object has no map SCOPE")?;
    let mut scope: HashMap<_, u32, [u8; size_of::<ScopeEntry>()]> = map.try_into()?;
    scope.insert(
        pid.0,
        bytemuck::cast::<_, [u8; size_of::<ScopeEntry>()]>(entry),
        0,
    )?;
    Ok(())
}

/// Returns the processes that are in scope now, with their starts in clock ticks since boot. Some
/// may have ended.
pub fn members(ebpf: &mut Ebpf) -> Vec<(Pid, u64)> {
    let Some(map) = ebpf.map_mut("SCOPE") else {
        return Vec::new();
    };
    let scope: Result<HashMap<_, u32, [u8; size_of::<ScopeEntry>()]>, _> = map.try_into();
    let Ok(scope) = scope else {
        return Vec::new();
    };
    // An entry that goes while the map is read is a process that has ended.
    let entries = scope.iter().filter_map(Result::ok);
    let entry = |(pid, bytes)| {
        let entry: ScopeEntry = bytemuck::cast(bytes);
        (Pid(pid), entry.start_ticks)
    };
    entries.map(entry).collect()
}
