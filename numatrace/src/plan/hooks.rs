//! The hooks named on the command line.

use crate::{
    attach::{catalog::HOOKS, selection::Selection},
    exit::{Exit, Failure},
};

/// Parses `--hooks` and the hidden `--fallback`.
///
/// # Errors
/// A hook does not exist, or two choices exclude each other.
pub(super) fn parse(words: &[String], fallback: &[String]) -> Result<Selection, Failure> {
    Selection::parse(words)
        .and_then(|selection| selection.force_fallback(fallback))
        .map_err(|error| {
            let known: Vec<&str> = HOOKS.iter().map(|row| row.hook).collect();
            Failure::new(
                Exit::Usage,
                format!("--hooks: {error}"),
                format!("hooks are {}; --hooks list explains them", known.join(", ")),
            )
        })
}
