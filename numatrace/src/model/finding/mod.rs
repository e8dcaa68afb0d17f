//! Diagnoses: what the counts mean for a person, with the evidence and what to do.

use serde::{Deserialize, Serialize};

use crate::ids::Pid;

/// One diagnosis as the report shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which diagnosis: `remote-by-policy`, … (docs/findings.md).
    pub id: String,
    /// How much it matters.
    pub severity: Severity,
    /// The process concerned; `None` for the whole system.
    pub pid: Option<Pid>,
    /// The diagnosis in one sentence.
    pub title: String,
    /// The counts it rests on, one sentence each; never empty.
    pub evidence: Vec<String>,
    /// What to do; never empty.
    pub fix: String,
}

/// How much a finding matters, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It costs now: change something.
    Critical,
    /// It probably costs: look at it.
    Warning,
    /// Good to know.
    Info,
}
