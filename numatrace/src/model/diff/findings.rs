//! Findings of two reports: gone, new and kept.

use serde::Serialize;

use super::Pair;
use crate::ids::Pid;
use crate::model::{Finding, Snapshot};

/// Findings of two reports. A finding is kept when both reports have its id for the same process,
/// as processes are matched.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Findings {
    /// Findings of the first report only.
    pub gone: Vec<Finding>,
    /// Findings of the second report only.
    pub new: Vec<Finding>,
    /// Findings of both reports.
    pub kept: Vec<Kept>,
}

/// A finding of both reports.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Kept {
    /// The finding in the first report.
    pub before: Finding,
    /// The finding in the second report.
    pub after: Finding,
}

/// Matches the findings of two reports.
pub fn findings(old: &Snapshot, new: &Snapshot, pairs: &[Pair<'_>]) -> Findings {
    let mut found = Findings::default();
    let mut came: Vec<&Finding> = new.findings.iter().collect();
    for was in &old.findings {
        let same = |is: &&Finding| is.id == was.id && same_subject(pairs, was.pid, is.pid);
        match came.iter().position(same) {
            Some(at) => found.kept.push(Kept {
                before: was.clone(),
                after: came.remove(at).clone(),
            }),
            None => found.gone.push(was.clone()),
        }
    }
    found.new = came.into_iter().cloned().collect();
    found
}

/// Returns whether two findings are about the whole machine, or about processes of one pair.
fn same_subject(pairs: &[Pair<'_>], before: Option<Pid>, after: Option<Pid>) -> bool {
    match (before, after) {
        (None, None) => true,
        (Some(before), Some(after)) => pairs.iter().any(|pair| {
            pair.before.iter().any(|process| process.pid == before)
                && pair.after.iter().any(|process| process.pid == after)
        }),
        _ => false,
    }
}
