//! The screen of `numatrace top`: its views on machines of all sizes, its keys, and the restoration
//! of the terminal.

#![expect(clippy::unwrap_used, reason = "tests state claims; an unwrap is one")]

// The reports of tests/report; these tests need not use all.
#[allow(dead_code)]
#[path = "../report/fixture/mod.rs"]
mod fixture;

mod docs;
mod frames;
mod screens;
mod state;
mod terminal;
mod values;
