//! The report: its text on small and large machines, its JSON against the contract, and its
//! exports.

#![expect(clippy::unwrap_used, reason = "tests state claims; an unwrap is one")]

mod agree;
mod before_after;
mod before_bind;
mod by_time;
mod caches;
mod contract;
mod diff;
mod docs;
mod export;
mod findings;
mod fixes;
mod fixture;
mod hugetlb;
mod layouts;
mod memory;
mod moves;
mod node_short;
mod perfetto;
mod placement;
mod refused;
mod stacks;
mod text;
