//! Where stacks and the names of their functions come from: the live machine, or what a recording kept.

use std::collections::HashMap;

use super::symbol::{Of, unnamed, unnamed_kernel};
use crate::model::Frame;

/// A source of stacks and names.
pub trait Code {
    /// The addresses of a user stack, innermost first, by the kernel's number; `None` for one that was not kept.
    fn stack(&mut self, number: u32) -> Option<Vec<u64>>;

    /// The frames of it, innermost first, in one process; and why some may be missing at its outer end.
    fn frames(
        &mut self,
        number: u32,
        of: Of<'_>,
        addresses: &[u64],
    ) -> (Vec<Frame>, Option<String>);

    /// The frames of a kernel stack, innermost first, without those of the tracing itself.
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
            unnamed(of, addresses, &HashMap::new(), "nobody looked"),
            None,
        )
    }

    fn kernel_frames(&mut self, _number: u32, addresses: &[u64]) -> Vec<Frame> {
        unnamed_kernel(addresses)
    }
}
