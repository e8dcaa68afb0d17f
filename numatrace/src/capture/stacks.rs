//! Stacks that records refer to by number, read when a report is made.

use aya::{
    Ebpf,
    maps::{MapData, StackTraceMap},
};

use super::map;

/// The map of stacks.
pub struct Stacks(StackTraceMap<MapData>);

impl Stacks {
    /// Takes the map out of the loaded object.
    ///
    /// # Errors
    /// The object has no such map: a build error.
    pub fn take(ebpf: &mut Ebpf) -> anyhow::Result<Self> {
        Ok(Self(map::take(ebpf, "STACKS")?))
    }

    /// Returns the addresses of a stack, innermost first; `None` when the map does not have the
    /// number.
    pub fn addresses(&self, number: u32) -> Option<Vec<u64>> {
        let trace = self.0.get(&number, 0).ok()?;
        let addresses: Vec<u64> = trace.frames().iter().map(|frame| frame.ip).collect();
        (!addresses.is_empty()).then_some(addresses)
    }
}
