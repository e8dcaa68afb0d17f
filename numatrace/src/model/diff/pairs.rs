//! Matches the processes of two reports: a process that lived through both sessions, else processes
//! with one name, else the processes that the sessions were about.
//!
//! PIDs mean nothing across two executions, so processes are grouped by name: a server with twelve
//! workers is one line for twelve processes.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::model::{Name, Process, ProcessKind, Snapshot};

/// The match between processes of two reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchedBy {
    /// PID, start and name are equal: one process.
    Pid,
    /// The names are equal.
    Command,
    /// Each is the process that its session was about.
    Scope,
}

/// The processes of one command on both sides.
#[derive(Clone, Debug, Default)]
pub struct Pair<'a> {
    /// The match; `None` when one side has none.
    pub matched_by: Option<MatchedBy>,
    /// Processes of the first side.
    pub before: Vec<&'a Process>,
    /// Processes of the second side.
    pub after: Vec<&'a Process>,
}

impl<'a> Pair<'a> {
    fn any(&self) -> Option<&'a Process> {
        self.after.first().or(self.before.first()).copied()
    }

    /// Returns the name of the processes.
    pub fn comm(&self) -> &Name {
        static NAMELESS: Name = Name::empty();
        self.any().map_or(&NAMELESS, |process| &process.comm)
    }

    /// Returns the kind of the processes.
    pub fn kind(&self) -> ProcessKind {
        self.any()
            .map_or(ProcessKind::Other, |process| process.kind)
    }
}

/// Returns all processes of both reports, each in one pair, in the order of the second report's
/// ranking, then of the first's.
pub fn pairs<'a>(old: &'a Snapshot, new: &'a Snapshot) -> Vec<Pair<'a>> {
    let (before, after) = (old.ranked(), new.ranked());
    let key = |process: &Process| (process.pid, process.start_ns, process.comm.clone());
    let lived: BTreeSet<_> = before.iter().map(|process| key(process)).collect();
    let both: BTreeSet<_> = after
        .iter()
        .map(|process| key(process))
        .filter(|key| key.0.0 > 0 && key.1 > 0 && lived.contains(key))
        .collect();

    let mut groups = Groups::default();
    for process in &after {
        let lived = both.contains(&key(process));
        groups.pair(process, lived).after.push(process);
    }
    for process in &before {
        let lived = both.contains(&key(process));
        groups.pair(process, lived).before.push(process);
    }
    let mut pairs = groups.pairs;
    for pair in &mut pairs {
        if pair.matched_by.is_none() && !pair.before.is_empty() && !pair.after.is_empty() {
            pair.matched_by = Some(MatchedBy::Command);
        }
    }
    match_focus(&mut pairs, old, new);
    pairs
}

/// PID and start of a process that lived through both sessions; only the name identifies others.
type Identity = Option<(u32, u64)>;

/// Pairs under construction, by kind, name and identity.
#[derive(Default)]
struct Groups<'a> {
    pairs: Vec<Pair<'a>>,
    places: BTreeMap<(ProcessKind, Name, Identity), usize>,
}

impl<'a> Groups<'a> {
    fn pair(&mut self, process: &Process, lived: bool) -> &mut Pair<'a> {
        let identity = lived.then_some((process.pid.0, process.start_ns));
        let key = (process.kind, process.comm.clone(), identity);
        let next = self.pairs.len();
        let place = *self.places.entry(key).or_insert(next);
        if place == next {
            self.pairs.push(Pair {
                matched_by: lived.then_some(MatchedBy::Pid),
                ..Pair::default()
            });
        }
        // The entry exists: it was pushed just now or earlier.
        &mut self.pairs[place]
    }
}

/// Joins the processes that the sessions were about when their names differ: a program can be
/// renamed between two executions.
fn match_focus<'a>(pairs: &mut Vec<Pair<'a>>, old: &'a Snapshot, new: &'a Snapshot) {
    let (Some(was), Some(is)) = (old.focus(), new.focus()) else {
        return;
    };
    let holds = |processes: &[&Process], wanted: &Process| {
        processes
            .iter()
            .any(|process| std::ptr::eq(*process, wanted))
    };
    let left = pairs
        .iter()
        .position(|pair| pair.after.is_empty() && holds(&pair.before, was));
    let right = pairs
        .iter()
        .position(|pair| pair.before.is_empty() && holds(&pair.after, is));
    let (Some(left), Some(right)) = (left, right) else {
        return;
    };
    let before = pairs
        .get_mut(left)
        .map(|pair| std::mem::take(&mut pair.before));
    if let Some(pair) = pairs.get_mut(right) {
        pair.before = before.unwrap_or_default();
        pair.matched_by = Some(MatchedBy::Scope);
    }
    pairs.remove(left);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Pid;

    const EXAMPLE: &str = include_str!("../../../../tests/contract/example.json");

    fn report(processes: &[(u32, u64, &str)]) -> Snapshot {
        let mut snapshot: Snapshot = serde_json::from_str(EXAMPLE).unwrap();
        snapshot.session.scope = crate::model::Scope::default();
        snapshot.processes = processes
            .iter()
            .map(|(pid, start, comm)| Process::new(Pid(*pid), *start, *comm, ProcessKind::User))
            .collect();
        snapshot
    }

    fn matched(old: &Snapshot, new: &Snapshot) -> Vec<(String, usize, usize, Option<MatchedBy>)> {
        pairs(old, new)
            .iter()
            .map(|pair| {
                (
                    pair.comm().to_utf8().into_owned(),
                    pair.before.len(),
                    pair.after.len(),
                    pair.matched_by,
                )
            })
            .collect()
    }

    #[test]
    fn a_process_of_both_sessions_is_matched_by_pid_and_others_by_command() {
        let old = report(&[
            (5, 50, "redis"),
            (6, 60, "worker"),
            (7, 70, "worker"),
            (8, 80, "gone"),
        ]);
        let new = report(&[
            (5, 50, "redis"),
            (16, 61, "worker"),
            (9, 90, "redis"),
            (3, 30, "came"),
        ]);
        let mut matched = matched(&old, &new);
        matched.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        let of = |name: &str, before, after, by| (name.to_owned(), before, after, by);
        assert_eq!(
            matched,
            [
                of("came", 0, 1, None),
                of("gone", 1, 0, None),
                of("redis", 1, 1, Some(MatchedBy::Pid)),
                of("redis", 0, 1, None),
                of("worker", 2, 1, Some(MatchedBy::Command)),
            ]
        );
    }

    #[test]
    fn a_renamed_program_is_matched_as_the_subject_of_both_sessions() {
        let (mut old, mut new) = (report(&[(5, 50, "app-old")]), report(&[(6, 60, "app-new")]));
        assert_eq!(matched(&old, &new).len(), 2);
        old.session.scope.launched = vec!["./app-old".into()];
        new.session.scope.pids = vec![Pid(6)];
        assert_eq!(
            matched(&old, &new),
            [("app-new".to_owned(), 1, 1, Some(MatchedBy::Scope))]
        );
    }

    #[test]
    fn buckets_are_matched_by_their_names() {
        let (mut old, mut new) = (report(&[]), report(&[]));
        old.processes = vec![Process::out_of_scope(), Process::irq()];
        new.processes = vec![Process::irq(), Process::out_of_scope()];
        assert!(
            matched(&old, &new)
                .iter()
                .all(|pair| pair.3 == Some(MatchedBy::Command))
        );
    }
}
