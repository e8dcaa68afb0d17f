//! `--verify-reasons`, a test instrument: compares the reason of each move with its kernel stack.

use std::path::Path;

use crate::{
    attach::kallsyms::{KALLSYMS, SymbolGap},
    capture::kernel_text::KernelText,
    decode::move_stack::MoveStack,
    fold::verify::Verified,
};

/// Functions of the kernel, and the comparisons so far.
pub struct Verifying {
    text: KernelText,
    verified: Verified,
}

impl Verifying {
    /// Reads the kernel's functions from kallsyms.
    ///
    /// # Errors
    /// kallsyms cannot be read, or hides addresses.
    pub fn begin() -> Result<Self, SymbolGap> {
        Ok(Self {
            text: KernelText::read(Path::new(KALLSYMS))?,
            verified: Verified::default(),
        })
    }

    /// Compares one move with its stack.
    pub(super) fn apply(&mut self, moved: &MoveStack) {
        let callers = moved.stack.iter();
        let functions: Vec<&str> = callers
            .filter_map(|address| self.text.caller(*address))
            // Frames between the tracepoint and our program say nothing about the reason.
            .skip_while(|name| !name.contains("set_task_cpu"))
            .collect();
        self.verified.apply(moved.reason, moved.forced, &functions);
    }

    /// Returns the comparisons since the last call.
    pub fn take(&mut self) -> Verified {
        std::mem::take(&mut self.verified)
    }
}
