//! The report as others meet it: its text on small and large machines, and its JSON against the contract.

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
