//! Errors of reading kernel BTF. Each message names the missing part and its consequence.

use std::path::PathBuf;

use thiserror::Error;

/// A BTF file that cannot be used, or a name that it lacks.
#[derive(Debug, Error)]
pub enum BtfError {
    /// The file could not be read.
    #[error(
        "cannot read the kernel's type information at {}: {source}; without it no hook can be \
         placed: use a kernel built with CONFIG_DEBUG_INFO_BTF=y", path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The bytes are not BTF, or are truncated.
    #[error(
        "the kernel's type information is {what} (at byte {offset}); no hook can be placed with it"
    )]
    Malformed {
        /// Completes "is …".
        what: &'static str,
        /// Byte offset in the file.
        offset: usize,
    },
    /// A type record of a kind that neither this reader nor the file's own layout section
    /// describes.
    #[error(
        "the kernel's type information has records of kind {number} (at byte {offset}), newer than \
         this numatrace knows; use a newer numatrace"
    )]
    UnknownKind {
        /// The kind's number.
        number: u32,
        /// Byte offset in the file.
        offset: usize,
    },
    /// No such struct, union, enum or typedef.
    #[error("this kernel has no {what} `{name}`; values read from it stay unknown")]
    NoType {
        /// "struct", "enum", "typedef", "type".
        what: &'static str,
        /// The missing name.
        name: String,
    },
    /// The struct is there, the member is not.
    #[error("this kernel's struct `{of}` has no member `{path}`; values read from it stay unknown")]
    NoMember {
        /// The outer struct.
        of: String,
        /// The path up to and including the missing part.
        path: String,
    },
    /// The member is a bit field, which has no byte offset.
    #[error(
        "`{path}` of this kernel's struct `{of}` is a bit field and cannot be read by byte offset"
    )]
    BitField {
        /// The outer struct.
        of: String,
        /// The whole path.
        path: String,
    },
    /// No enum has this constant.
    #[error(
        "this kernel has no constant `{constant}`{}; values that depend on it stay unknown",
        in_enum(of.as_deref())
    )]
    NoConstant {
        /// The enum, when one was named.
        of: Option<String>,
        /// The constant's name.
        constant: String,
    },
    /// No function of this name.
    #[error(
        "this kernel has no function `{0}` in its type information; it cannot be hooked (renamed \
         or inlined)"
    )]
    NoFunction(String),
    /// No tracepoint of this name.
    #[error("this kernel has no tracepoint `{0}`; it cannot be hooked")]
    NoTracepoint(String),
    /// A type whose size or structure breaks the kernel's own rules.
    #[error(
        "the kernel's type information contradicts itself at `{0}`; values read from it stay \
         unknown"
    )]
    Contradiction(String),
}

fn in_enum(of: Option<&str>) -> String {
    of.map(|name| format!(" in enum `{name}`"))
        .unwrap_or_default()
}
