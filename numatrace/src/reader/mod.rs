//! The reader: a child process that reads the files of traced programs, which may be hostile.
//!
//! Reading an ELF file or debug information runs a hundred thousand lines of parsers on bytes that
//! anybody may have written. The tracer, which is root, opens such files and looks at none of their
//! bytes. The reader gets descriptors and can do nothing else: it opens no files, has no
//! capabilities, and has limits of memory and time. Whatever happens to it costs the names of one
//! file.

mod budget;
pub mod child;
mod client;
mod lost;
mod process;
mod protocol;
mod wire;

pub use client::{Number, Reader};
pub use lost::{Lost, UNREADABLE, of_file};
pub use protocol::{Kind, Link, Named, Place};

/// The first argument that makes this program the reader. No person types it.
pub const ARGUMENT: &str = "read-for-tracer";
