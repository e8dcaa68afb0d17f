//! Limits of `--fail-if`: the language they are written in, and how a report or a diff is held to them.

pub mod expr;
pub mod fail_if;
