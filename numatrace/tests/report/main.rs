//! The report as others meet it: its text on small and large machines, and its JSON against the contract.

mod contract;
mod docs;
mod findings;
mod fixture;
mod memory;
mod text;
