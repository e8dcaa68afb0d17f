//! Reports seen from outside: their text on small and large machines, and their JSON against the
//! contract.

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
