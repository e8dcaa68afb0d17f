//! The one number: how much of what was done with memory stayed on its node, before and after.
//!
//! Of the process both sessions were about, else of the whole machine. Sampled accesses say more than allocations, because memory is placed
//! once and used a million times; where a side has too few of them, allocations have to do.

use serde::Serialize;

use super::{Change, Changes, Pair, ProcessChange};
use crate::model::{Name, Snapshot};

/// Sampled accesses on each side below which their share is luck.
const ENOUGH: u64 = 100;

/// The one number.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Headline {
    /// The quantity: `local_access_share` or `local_share`.
    pub quantity: &'static str,
    /// Whose, when not the machine's.
    pub comm: Option<Name>,
    /// What became of it.
    pub change: Change,
}

/// Chooses it.
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
