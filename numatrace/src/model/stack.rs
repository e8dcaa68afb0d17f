//! Call stacks, each stored once and referred to by id.

use serde::{Deserialize, Serialize};

use super::mapping::Addr;
use super::name::Name;

/// One stack, innermost frame first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stack {
    /// The id that `stacks` of a mapping refers to.
    pub id: u32,
    /// Frames, innermost first; an inlined function has a frame of its own.
    pub frames: Vec<Frame>,
    /// Reason why frames may be missing at the outer end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short: Option<String>,
}

/// One function in a stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// The return address.
    pub addr: Addr,
    /// The function; `None` when there is no name for the address.
    pub symbol: Option<Name>,
    /// The binary or library.
    pub module: Option<Name>,
    /// Bytes from the start of the function, or of the module when there is no symbol.
    pub offset: Option<u64>,
    /// `file:line`.
    pub line: Option<Name>,
    /// The build id of the module in hexadecimal, where there is no line: `debuginfod-find` takes
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_id: Option<String>,
    /// True for a function that the compiler inlined into its caller.
    pub inlined: bool,
    /// Reason why there is no symbol or line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
