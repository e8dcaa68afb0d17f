//! Call stacks, each kept once and named by its id.

use serde::{Deserialize, Serialize};

use super::mapping::Addr;
use super::name::Name;

/// One stack, innermost frame first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stack {
    /// What `stacks` of a mapping refers to.
    pub id: u32,
    /// Innermost first; an inlined function is a frame of its own.
    pub frames: Vec<Frame>,
    /// Why frames may be missing at its outer end.
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
    /// The build id of the module in hexadecimal, where there is no line: what `debuginfod-find` asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_id: Option<String>,
    /// True for a function that the compiler put into its caller.
    pub inlined: bool,
    /// Why there is no symbol or line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
