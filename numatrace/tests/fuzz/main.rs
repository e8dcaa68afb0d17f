//! Fuzz targets: whatever somebody else writes and numatrace reads, shaken. Nothing panics, nothing
//! takes long.
//!
//! Each target runs for a moment with the other tests, from the same numbers each time. `cargo
//! xtask fuzz [TARGET] [--seconds N]` runs them for as long as wanted, from other numbers.

#![expect(clippy::unwrap_used, reason = "tests state claims; an unwrap is one")]

mod campaign;
mod dice;
mod files;
mod limits;
mod recordings;
mod records;
mod reports;
mod symbols;

// Hostile files of the reader's own tests: a writer of ELF files, and a program that gcc made.
#[path = "../reader/elf.rs"]
#[expect(dead_code, reason = "its tests use more of it")]
mod elf;
#[path = "../reader/support.rs"]
#[expect(dead_code, reason = "its tests use more of it")]
mod support;
