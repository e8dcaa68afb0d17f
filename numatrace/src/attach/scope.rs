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
