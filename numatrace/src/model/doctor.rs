//! What `numatrace doctor` prints, as plain data: the JSON document `numatrace.doctor/1`.

use serde::{Deserialize, Serialize};

use super::hooks::Hook;

/// The value of [`Doctor::schema`].
pub const SCHEMA: &str = "numatrace.doctor/1";

/// What this machine and user allow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doctor {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// A tracing session is possible; the exit code is 0 then and 4 otherwise.
    pub possible: bool,
    /// Why not, when not.
    pub refusal: Option<DoctorRefusal>,
    /// `uname -r`; `null` when it could not be read.
    pub kernel: Option<String>,
    /// Architecture this binary is for.
    pub arch: String,
    /// What was looked at, those that decide first.
    pub checks: Vec<Check>,
    /// Every hook of the table after trying it.
    pub hooks: Vec<DoctorHook>,
    /// Capabilities of use, and whether this process has them in effect.
    pub capabilities: Vec<Capability>,
    /// How to get them without being root.
    pub grants: Grants,
    /// Kernel memory a session takes on this machine; `null` when no session is possible.
    pub memory: Option<Memory>,
}

/// Why no session is possible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoctorRefusal {
    /// What cannot be done.
    pub what: String,
    /// Why not.
    pub why: String,
    /// What to do about it.
    pub way_out: String,
}

/// One fact about the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// A short name: `type information`.
    pub name: String,
    /// How good it is.
    pub state: CheckState,
    /// What was found.
    pub value: String,
    /// What follows from it; `null` when nothing does.
    pub means: Option<String>,
    /// How to get more, where there is a way.
    pub way_out: Option<String>,
}

/// How good a fact is for tracing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckState {
    /// As it should be.
    Ok,
    /// Something is not measured because of it.
    Limited,
    /// No session is possible because of it.
    Blocked,
    /// Could not be found out.
    Unknown,
}

/// A hook after trying, with what it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoctorHook {
    /// As in a report.
    #[serde(flatten)]
    pub hook: Hook,
    /// What it measures.
    pub measures: String,
    /// Kernels it was written for, and where it differs.
    pub kernels: String,
    /// When it runs, and how long a run takes.
    #[serde(default)]
    pub cost: String,
}

/// One capability.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capability {
    /// `CAP_BPF`.
    pub name: String,
    /// In effect for this process; `null` when that could not be read.
    pub held: Option<bool>,
    /// What it is needed for.
    pub purpose: String,
    /// No hook works without it.
    pub for_hooks: bool,
}

/// Lines to copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// A shell command that gives this binary the capabilities.
    pub file: String,
    /// Lines for the `[Service]` section of a systemd unit.
    pub service: Vec<String>,
}

/// Kernel memory, by the kernel's own estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Bytes of all maps; per-CPU maps have a copy per possible CPU.
    pub maps_bytes: u64,
    /// What `maps_bytes` would be with 64 possible CPUs; `null` when the number here is not known.
    pub maps_bytes_64_cpus: Option<u64>,
    /// Bytes of all programs.
    pub programs_bytes: u64,
    /// Possible CPUs of this machine; `null` when that could not be read.
    pub possible_cpus: Option<usize>,
}
