//! Limits of `--fail-if`: the expression language, and checking a report or a comparison against
//! limits written in it.

pub mod expr;
pub mod fail_if;
