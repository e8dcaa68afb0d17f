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

impl Stack {
    /// Names so many functions, innermost first: `fill (a.c:3), called by init (a.c:2)`. Of an
    /// inlined function, the function that it is in is named as well: `store (a.h:9) in init
    /// (a.c:2)`. `None` when no function of the stack has a name.
    #[must_use]
    pub fn functions(&self, most: usize) -> Option<String> {
        let named = |frame: &&Frame| frame.symbol.is_some();
        let innermost = self.frames.iter().find(named)?;
        let mut text = innermost.in_words();
        let whole = self.frames.iter().filter(named);
        let whole = whole.filter(|frame| !frame.inlined);
        // The innermost frame is named already when it is not an inlined function.
        let callers = whole.skip(usize::from(!innermost.inlined));
        for (depth, frame) in callers.take(most.saturating_sub(1)).enumerate() {
            let part = match (innermost.inlined, depth) {
                (true, 0) => " in ",
                _ => ", called by ",
            };
            text.push_str(part);
            text.push_str(&frame.in_words());
        }
        Some(text)
    }
}

/// One function in a stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// The return address; `None` in the kernel: it would reveal where the kernel lies.
    pub addr: Option<Addr>,
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

impl Frame {
    /// Returns the return address as text.
    #[must_use]
    pub fn address_in_words(&self) -> String {
        self.addr
            .map_or_else(|| "[unknown]".to_owned(), |addr| format!("{:#x}", addr.0))
    }

    /// Names the function: `init (matrix.c:41)`; without a name, the place in its module.
    #[must_use]
    pub fn in_words(&self) -> String {
        match (&self.symbol, &self.line) {
            (Some(symbol), Some(line)) => format!("{} ({})", symbol.to_utf8(), line.to_utf8()),
            (Some(symbol), None) => symbol.to_utf8().into_owned(),
            (None, _) => match (&self.module, self.offset) {
                (Some(module), Some(offset)) => format!("{}+{offset:#x}", module.to_utf8()),
                (Some(module), None) => module.to_utf8().into_owned(),
                (None, _) => self.address_in_words(),
            },
        }
    }
}
