//! Recordings as bytes: a header, then frames of compressed chunks, each with a checksum.
//!
//! The code here knows the kinds of chunks but not their meaning. Guarantees for readers: all bytes
//! returned have passed their checksum, no input makes a reader panic or take more memory and time
//! than its [`budget::Budget`] allows, and a truncated file is reported as truncated.

pub mod budget;
pub mod bytes;
pub mod chunk;
pub mod columns;
pub mod fixed;
pub mod frame;
pub mod records;
pub mod sweep;
mod weight;

/// A part of a recording that cannot be read, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Garbled(pub &'static str);
