//! The error of a session that this machine or user does not allow: exit code 4, with a way out.

use thiserror::Error;

/// Why no session is possible here. Printed as it is; `main` turns it into exit code 4.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what}: {why}\nhint: {way_out}")]
pub struct Refusal {
    /// The step that failed: `cannot load eBPF programs`.
    pub what: String,
    /// Why not.
    pub why: String,
    /// The way out, as a hint.
    pub way_out: String,
}
