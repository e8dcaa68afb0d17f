//! The output of `numatrace doctor` as plain data: the JSON document `numatrace.doctor/1`.

use serde::{Deserialize, Serialize};

use super::hooks::Hook;

/// The value of [`Doctor::schema`].
pub const SCHEMA: &str = "numatrace.doctor/1";

/// The abilities of this machine and user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doctor {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// True when a tracing session is possible; the exit code is 0 then and 4 otherwise.
    pub possible: bool,
    /// The reason why no session is possible; `null` when one is.
    pub refusal: Option<DoctorRefusal>,
    /// `uname -r`; `null` when it could not be read.
    pub kernel: Option<String>,
    /// Architecture of this binary.
    pub arch: String,
    /// Facts about the machine, those that decide first.
    pub checks: Vec<Check>,
    /// Every hook of the catalogue, after an attempt to attach it.
    pub hooks: Vec<DoctorHook>,
    /// Capabilities that hooks and readers use, and whether this process has them in effect.
    pub capabilities: Vec<Capability>,
    /// Ways to get the capabilities without being root.
    pub grants: Grants,
    /// Kernel memory of a session on this machine; `null` when no session is possible.
    pub memory: Option<Memory>,
}

/// The reason why no session is possible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoctorRefusal {
    /// The step that failed.
    pub what: String,
    /// The reason.
    pub why: String,
    /// The remedy.
    pub way_out: String,
}

/// One fact about the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// A short name: `type information`.
    pub name: String,
    /// Effect on tracing.
    pub state: CheckState,
    /// The value that was found.
    pub value: String,
    /// Consequence for tracing; `null` when there is none.
    pub means: Option<String>,
    /// Remedy, where there is one.
    pub way_out: Option<String>,
}

/// Effect of a fact on tracing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckState {
    /// No restriction.
    Ok,
    /// Some quantity is not measured.
    Limited,
    /// No session is possible.
    Blocked,
    /// The fact could not be read.
    Unknown,
}

/// A hook after an attempt to attach it, with its purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoctorHook {
    /// The hook as in a report.
    #[serde(flatten)]
    pub hook: Hook,
    /// The quantities that it measures.
    pub measures: String,
    /// Kernels that have it, and differences between them.
    pub kernels: String,
    /// How often its program runs, and time per run.
    #[serde(default)]
    pub cost: String,
}

/// One capability.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capability {
    /// `CAP_BPF`.
    pub name: String,
    /// True when it is in effect for this process; `null` when that could not be read.
    pub held: Option<bool>,
    /// The features that need it.
    pub purpose: String,
    /// True when no hook works without it.
    pub for_hooks: bool,
}

/// Lines to copy that grant the capabilities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// A shell command that gives this binary the capabilities.
    pub file: String,
    /// Lines for the `[Service]` section of a systemd unit.
    pub service: Vec<String>,
}

/// Kernel memory of a session, by the kernel's own estimate (`memlock` in fdinfo).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Bytes of all maps; per-CPU maps have a copy per possible CPU.
    pub maps_bytes: u64,
    /// `maps_bytes` for 64 possible CPUs; `null` when the number of this machine is not known.
    pub maps_bytes_64_cpus: Option<u64>,
    /// Bytes of all programs.
    pub programs_bytes: u64,
    /// Possible CPUs of this machine; `null` when that could not be read.
    pub possible_cpus: Option<usize>,
}
