//! Diagnoses of both reports: which are gone, which are new, which stayed.

use serde::Serialize;

use super::Pair;
use crate::ids::Pid;
use crate::model::{Finding, Snapshot};

/// Diagnoses of two reports. The same diagnosis of the same process, matched as processes are, is one.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Findings {
    /// The first report's that the second does not have.
    pub gone: Vec<Finding>,
    /// The second report's that the first did not have.
    pub new: Vec<Finding>,
    /// Those of both.
    pub kept: Vec<Kept>,
}

/// A diagnosis of both reports.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Kept {
    /// As the first told it.
    pub before: Finding,
    /// As the second tells it.
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

/// Are two findings about the same: the whole machine, or processes of one pair?
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
