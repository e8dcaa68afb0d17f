//! Hostile files through the reader, which runs as its own process: they cost their names and
//! little else.

#![expect(clippy::unwrap_used, reason = "tests state claims; an unwrap is one")]

mod cost;
mod elf;
mod hostile;
mod support;
