//! The machine's nodes: numbers, CPUs, memory, distances; read from sysfs under a root, or built
//! from plain values. Node numbers may be sparse; nodes may have no CPU, no memory, or be offline.
//! A missing or garbled file costs only its fact: the fact is `None` or empty and a [`Gap`] says
//! why. Only a machine whose nodes cannot be listed at all is an error.

#[cfg(test)]
pub mod fixture;

pub mod caches;
pub mod devices;
pub mod installed;
mod kinds;
pub mod knobs;
pub mod memory;
mod nodes;
mod read;
mod view;

pub use nodes::{Gap, Node, Topology};
pub(in crate::enrich) use read::page_size;
pub use read::{TopologyError, is_virtual};
