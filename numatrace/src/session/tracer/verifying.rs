//! Verification of reasons: kernel stacks from the ring, functions from kallsyms, opinions into the accumulators.

use std::path::Path;

use crate::{
    attach::kallsyms::{KALLSYMS, SymbolGap},
    capture::kernel_text::KernelText,
    decode::move_stack::MoveStack,
    fold::verify::Verified,
};

/// What a session that verifies needs beside the records.
pub struct Verifying {
    text: KernelText,
    verified: Verified,
}

impl Verifying {
    /// Reads the kernel's functions.
    ///
    /// # Errors
    /// They cannot be read, or are hidden.
    pub fn begin() -> Result<Self, SymbolGap> {
        Ok(Self {
            text: KernelText::read(Path::new(KALLSYMS))?,
            verified: Verified::default(),
        })
    }

    /// Takes in a move.
    pub(super) fn apply(&mut self, moved: &MoveStack) {
        let callers = moved.stack.iter();
        let functions: Vec<&str> = callers
            .filter_map(|address| self.text.caller(*address))
            // What lies between the tracepoint and our program is nobody's opinion.
            .skip_while(|name| !name.contains("set_task_cpu"))
            .collect();
        self.verified.apply(moved.reason, moved.forced, &functions);
    }

    /// What came of it so far; begins anew.
    pub fn take(&mut self) -> Verified {
        std::mem::take(&mut self.verified)
    }
}
