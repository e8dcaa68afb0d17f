//! The maps of the loaded object, by name.

use anyhow::Context;
use aya::{Ebpf, maps::Map};

/// Takes a map out of the loaded object.
///
/// # Errors
/// The object has no such map, or has one of a different type: a build error.
pub fn take<T>(ebpf: &mut Ebpf, name: &str) -> anyhow::Result<T>
where
    T: TryFrom<Map>,
    T::Error: std::error::Error + Send + Sync + 'static,
{
    let map = ebpf
        .take_map(name)
        .with_context(|| format!("the eBPF object has no map {name}"))?;
    T::try_from(map).with_context(|| format!("cannot use the map {name}"))
}
