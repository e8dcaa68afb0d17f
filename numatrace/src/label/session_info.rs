//! The facts about a session that its report needs beside the counts: host, hooks, cost.
//!
//! The live session collects them when it makes a report; a recording stores them, so a replay
//! makes the report from equal facts. Fields that came after the first version have a serde
//! default.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    attach::{
        catalog::HOOKS,
        hooks::{Hook, HookState},
        kernel_enum::ReasonNames,
    },
    capture::cost::Measured,
    fold::verify::Verified,
    model::{Host, Reduction, Session},
};

/// Facts about one session or interval.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionInfo {
    /// The machine.
    pub host: Host,
    /// The session or interval.
    pub session: Session,
    /// The state of each hook after attaching.
    pub hooks: Vec<HookInfo>,
    /// Why interrupts cannot be distinguished from tasks; `None` where they can.
    #[serde(default)]
    pub interrupts_unknown: Option<String>,
    /// Whether the kernel's records of new mappings could be opened, with the reason if not; `None`
    /// in a session that did not ask for them.
    #[serde(default)]
    pub mapping_records: Option<Result<(), String>>,
    /// Names of the kernel's reasons, by number.
    #[serde(default)]
    pub reasons: ReasonNames,
    /// Reasons of moves compared with kernel stacks; `None` without `--verify-reasons`.
    #[serde(default)]
    pub verified: Option<Verified>,
    /// Cost of the programs and of this process.
    #[serde(default)]
    pub cost: CostParts,
    /// Most ended processes, and most ended threads, with entries of their own; `None` in
    /// recordings from before there was a bound.
    #[serde(default)]
    pub keep_processes: Option<u64>,
}

/// Measured cost of the programs and of this process.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CostParts {
    /// Runs and times of all programs within the measuring windows, and the windows' total length.
    pub measured: Option<(Measured, Duration)>,
    /// CPU seconds of this process.
    pub tracer_cpu_s: Option<f64>,
    /// Resident memory of this process, KiB.
    pub tracer_rss_kb: Option<u64>,
    /// Limit of `--max-overhead`: share of all CPU time, 0 to 1.
    pub max_overhead: Option<f64>,
    /// Details given up to stay within that limit.
    pub reduced: Vec<Reduction>,
}

/// State of one hook after attaching.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HookInfo {
    hook: String,
    state: HookState,
    via: Option<String>,
    reason: Option<String>,
}

impl From<&Hook> for HookInfo {
    fn from(hook: &Hook) -> Self {
        Self {
            hook: hook.row.hook.to_owned(),
            state: hook.state,
            via: hook.via.clone(),
            reason: hook.reason.clone(),
        }
    }
}

impl HookInfo {
    /// Returns the hook with its row of the catalogue, which says what is lost without it; `None`
    /// for a hook that this version does not have.
    fn found(&self) -> Option<Hook> {
        Some(Hook {
            row: HOOKS.iter().find(|row| row.hook == self.hook)?,
            state: self.state,
            via: self.via.clone(),
            reason: self.reason.clone(),
            programs: Vec::new(),
        })
    }
}

impl SessionInfo {
    /// Returns the hooks that this version knows, in the order of the session.
    pub fn hooks(&self) -> Vec<Hook> {
        self.hooks.iter().filter_map(HookInfo::found).collect()
    }
}
