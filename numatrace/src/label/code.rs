//! Sources of stacks and function names: the live machine, or a recording.

use std::collections::HashMap;

use super::symbol::{Of, unnamed, unnamed_kernel};
use crate::model::Frame;

/// A source of stacks and function names.
pub trait Code {
    /// Returns the addresses of a user stack, innermost first, by the kernel's number; `None` for a
    /// stack that was not kept.
    fn stack(&mut self, number: u32) -> Option<Vec<u64>>;

    /// Returns the frames of a user stack of one process, innermost first, and why some may be
    /// missing at its outer end.
    fn frames(
        &mut self,
        number: u32,
        of: Of<'_>,
        addresses: &[u64],
    ) -> (Vec<Frame>, Option<String>);

    /// Returns the frames of a kernel stack, innermost first, without those of the tracing itself.
    fn kernel_frames(&mut self, number: u32, addresses: &[u64]) -> Vec<Frame>;
}

/// A session without stacks.
#[derive(Clone, Copy, Debug)]
pub struct NoCode;

impl Code for NoCode {
    fn stack(&mut self, _number: u32) -> Option<Vec<u64>> {
        None
    }

    fn frames(
        &mut self,
        _number: u32,
        of: Of<'_>,
        addresses: &[u64],
    ) -> (Vec<Frame>, Option<String>) {
        (
            unnamed(of, addresses, &HashMap::new(), "names were not looked up"),
            None,
        )
    }

    fn kernel_frames(&mut self, _number: u32, addresses: &[u64]) -> Vec<Frame> {
        unnamed_kernel(addresses)
    }
}
