//! Recordings as bytes: a header, then frames; each frame holds chunks, compressed and with a checksum.
//!
//! Nothing here knows what a chunk means beyond its kind. What a reader can rely on: whatever comes out has passed its checksum, nothing makes it
//! panic or take more memory than [`frame::LARGEST`], and an end that is none is told as one.

pub mod bytes;
pub mod chunk;
pub mod columns;
pub mod fixed;
pub mod frame;
pub mod records;
pub mod sweep;

/// A place in a recording that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Garbled(pub &'static str);
