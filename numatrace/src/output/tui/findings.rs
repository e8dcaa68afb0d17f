//! Findings of the last minute: those of one interval would vanish too soon.

use std::time::Duration;

use crate::{
    ids::Pid,
    model::{Finding, Severity, Snapshot},
};

/// Time for which a finding stays after the last interval that had it.
const STAYS: Duration = Duration::from_secs(60);

/// Most findings that are kept.
const KEPT: usize = 100;

/// The findings that are shown.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    kept: Vec<RecentFinding>,
}

/// One finding, and its age.
#[derive(Clone, Debug)]
pub struct RecentFinding {
    /// The newest version of it.
    pub finding: Finding,
    /// Time since the last interval that had it.
    pub age: Duration,
}

impl Findings {
    /// Adds an interval.
    pub fn add(&mut self, snapshot: &Snapshot) {
        let passed = Duration::try_from_secs_f64(snapshot.session.duration_s).unwrap_or_default();
        for kept in &mut self.kept {
            kept.age = kept.age.saturating_add(passed);
        }
        // "All is well" holds for one interval only.
        self.kept
            .retain(|kept| kept.age <= STAYS && kept.finding.severity != Severity::Info);
        for finding in &snapshot.findings {
            let same = |kept: &RecentFinding| same(kept, &finding.id, finding.pid);
            self.kept.retain(|kept| !same(kept));
            self.kept.push(RecentFinding {
                finding: finding.clone(),
                age: Duration::ZERO,
            });
        }
        self.kept
            .sort_by_key(|kept| (kept.finding.severity, kept.age));
        self.kept.truncate(KEPT);
    }

    /// Returns all, worst first.
    #[must_use]
    pub fn all(&self) -> &[RecentFinding] {
        &self.kept
    }

    /// Returns the number of warnings and critical findings.
    #[must_use]
    pub fn serious(&self) -> usize {
        let serious = |kept: &&RecentFinding| kept.finding.severity != Severity::Info;
        self.kept.iter().filter(serious).count()
    }

    /// Returns the findings of one process.
    pub fn of(&self, pid: Pid) -> impl Iterator<Item = &RecentFinding> {
        self.kept
            .iter()
            .filter(move |kept| kept.finding.pid == Some(pid))
    }
}

fn same(kept: &RecentFinding, id: &str, pid: Option<Pid>) -> bool {
    kept.finding.id == id && kept.finding.pid == pid
}
