//! "This machine or user does not allow it": exit code 4, with a way out.

use thiserror::Error;

/// Why no session is possible here. Printed as it is; `main` turns it into exit code 4.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what}: {why}\nhint: {way_out}")]
pub struct Refusal {
    /// What cannot be done: `cannot load eBPF programs`.
    pub what: String,
    /// Why not.
    pub why: String,
    /// What a person can do about it.
    pub way_out: String,
}
