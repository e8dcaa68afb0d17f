//! The report as others meet it: its text on small and large machines, and its JSON against the contract.

#![expect(clippy::unwrap_used, reason = "tests state claims; an unwrap is one")]

mod before_after;
mod contract;
mod diff;
mod docs;
mod export;
mod findings;
mod fixture;
mod memory;
mod perfetto;
mod text;
