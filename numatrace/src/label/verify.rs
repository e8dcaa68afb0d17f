//! Opinions on reasons of moves as a report tells them.

use std::cmp::Reverse;

use super::activity::reason;
use crate::{
    fold::verify::Verified,
    model::{Disagreement, Verify},
};

/// What came of a session's verification.
pub fn verify(verified: &Verified) -> Verify {
    let mut told = Verify::default();
    for ((why, says), opinions) in &verified.by {
        let of = |count| Disagreement {
            reason: reason(*why),
            stack_says: says.name().to_owned(),
            count,
            stack: opinions.example.clone(),
        };
        told.agreed = told.agreed.saturating_add(opinions.agreed);
        if opinions.disagreed > 0 {
            told.disagreed.push(of(opinions.disagreed));
        }
        if opinions.unclassified > 0 {
            told.unclassified.push(of(opinions.unclassified));
        }
    }
    let others = told.disagreed.iter().chain(&told.unclassified);
    told.moves = others.fold(told.agreed, |sum, other| sum.saturating_add(other.count));
    for list in [&mut told.disagreed, &mut told.unclassified] {
        list.sort_by_key(|other| (Reverse(other.count), other.reason));
    }
    told
}
