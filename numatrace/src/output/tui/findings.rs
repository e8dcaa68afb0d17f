//! Findings of the last minute: one interval alone is soon forgotten.

use std::time::Duration;

use crate::{
    ids::Pid,
    model::{Finding, Severity, Snapshot},
};

/// How long a finding stays after the last interval that made it.
const STAYS: Duration = Duration::from_secs(60);

/// Most that are kept.
const KEPT: usize = 100;

/// The findings that are shown.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    kept: Vec<Kept>,
}

/// One finding, and when it was made last.
#[derive(Clone, Debug)]
pub struct Kept {
    /// What was found last.
    pub finding: Finding,
    /// How long ago.
    pub age: Duration,
}

impl Findings {
    /// Takes in an interval.
    pub fn take(&mut self, snapshot: &Snapshot) {
        let passed = Duration::try_from_secs_f64(snapshot.session.duration_s).unwrap_or_default();
        for kept in &mut self.kept {
            kept.age = kept.age.saturating_add(passed);
        }
        // That all is well holds for an interval only.
        self.kept
            .retain(|kept| kept.age <= STAYS && kept.finding.severity != Severity::Info);
        for finding in &snapshot.findings {
            let same = |kept: &Kept| same(kept, &finding.id, finding.pid);
            self.kept.retain(|kept| !same(kept));
            self.kept.push(Kept {
                finding: finding.clone(),
                age: Duration::ZERO,
            });
        }
        self.kept
            .sort_by_key(|kept| (kept.finding.severity, kept.age));
        self.kept.truncate(KEPT);
    }

    /// Worst first.
    #[must_use]
    pub fn all(&self) -> &[Kept] {
        &self.kept
    }

    /// Those that ask for something to be changed or looked at.
    #[must_use]
    pub fn serious(&self) -> usize {
        let serious = |kept: &&Kept| kept.finding.severity != Severity::Info;
        self.kept.iter().filter(serious).count()
    }

    /// Those of one process.
    pub fn of(&self, pid: Pid) -> impl Iterator<Item = &Kept> {
        self.kept
            .iter()
            .filter(move |kept| kept.finding.pid == Some(pid))
    }
}

fn same(kept: &Kept, id: &str, pid: Option<Pid>) -> bool {
    kept.finding.id == id && kept.finding.pid == pid
}
