//! Recordings: the input of a session, written while the session takes it in, and replayed later.
//!
//! The recorder sits between the tracer and its [`Ingest`](crate::ingest::Ingest) and writes
//! everything that passes. The replay gives the same input to a new ingest in the same order, so
//! the code that made the session's own report makes the report of the recording.

pub mod chunks;
mod code;
pub mod files;
pub mod load;
mod player;
pub mod recorder;
pub mod replay;
mod seen_code;
mod selection;
pub mod wanted;
