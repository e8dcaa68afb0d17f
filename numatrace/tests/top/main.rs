//! The screen of `numatrace top`: its views on machines of all sizes, what keys do, and the terminal it leaves behind.

#![expect(clippy::unwrap_used, reason = "tests state claims; an unwrap is one")]

// The same reports as those of the report's own tests, of which these need not use all.
#[allow(dead_code)]
#[path = "../report/fixture.rs"]
mod fixture;

mod looks;
mod screens;
mod state;
mod terminal;
mod values;
