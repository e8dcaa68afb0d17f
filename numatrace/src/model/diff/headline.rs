//! The headline: the local share of accesses or allocations, before and after.
//!
//! The subject is the process that both sessions were about, else the whole machine. Sampled
//! accesses say more than allocations, because memory is placed once and used a million times;
//! where a side has too few samples, allocations have to do.

use serde::Serialize;

use super::{Change, Changes, Pair, ProcessChange};
use crate::model::{Name, Snapshot};

/// Least sampled accesses on each side: the share of fewer is random.
const ENOUGH: u64 = 100;

/// The headline of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Headline {
    /// The quantity: `local_access_share` or `local_share`.
    pub quantity: &'static str,
    /// The process; `None` for the whole machine.
    pub comm: Option<Name>,
    /// The change.
    pub change: Change,
}

/// Chooses the headline.
pub fn headline(
    old: &Snapshot,
    new: &Snapshot,
    machine: &Changes,
    pairs: &[Pair<'_>],
    processes: &[ProcessChange],
) -> Option<Headline> {
    let focus = old.focus().zip(new.focus()).and_then(|(was, is)| {
        let about = pairs.iter().position(|pair| {
            pair.before
                .iter()
                .any(|process| std::ptr::eq(*process, was))
                && pair.after.iter().any(|process| std::ptr::eq(*process, is))
        });
        processes.get(about?)
    });
    let of_focus = focus.and_then(|process| {
        let (quantity, change) = choose(&process.changes)?;
        Some(Headline {
            quantity,
            comm: Some(process.comm.clone()),
            change,
        })
    });
    of_focus.or_else(|| {
        let (quantity, change) = choose(machine)?;
        Some(Headline {
            quantity,
            comm: None,
            change,
        })
    })
}

fn choose(changes: &Changes) -> Option<(&'static str, Change)> {
    let known = |name: &'static str, least: u64| {
        let change = changes.get(name)?;
        let test = change.test.filter(|_| change.difference.is_some())?;
        (test.n_before >= least && test.n_after >= least).then_some((name, *change))
    };
    known("local_access_share", ENOUGH).or_else(|| known("local_share", 1))
}
