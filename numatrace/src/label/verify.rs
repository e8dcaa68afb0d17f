//! Verified reasons of task moves, as the report has them.

use std::cmp::Reverse;

use super::activity::reason;
use crate::{
    fold::verify::Verified,
    model::{Disagreement, Verify},
};

/// Returns the result of a session's verification.
pub fn verify(verified: &Verified) -> Verify {
    let mut verify = Verify::default();
    for ((why, says), opinions) in &verified.by {
        let of = |count| Disagreement {
            reason: reason(*why),
            stack_says: says.name().to_owned(),
            count,
            stack: opinions.example.clone(),
        };
        verify.agreed = verify.agreed.saturating_add(opinions.agreed);
        if opinions.disagreed > 0 {
            verify.disagreed.push(of(opinions.disagreed));
        }
        if opinions.unclassified > 0 {
            verify.unclassified.push(of(opinions.unclassified));
        }
    }
    let others = verify.disagreed.iter().chain(&verify.unclassified);
    verify.moves = others.fold(verify.agreed, |sum, other| sum.saturating_add(other.count));
    for list in [&mut verify.disagreed, &mut verify.unclassified] {
        list.sort_by_key(|other| (Reverse(other.count), other.reason));
    }
    verify
}
