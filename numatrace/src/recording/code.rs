//! Stacks and names of their functions, as a recording kept them.

use std::collections::HashMap;

use super::chunks::Resolved;
use crate::{
    enrich::process::ProcessIndex,
    label::{
        code::Code,
        symbol::{Of, unnamed},
    },
    model::Frame,
};

/// What was kept.
#[derive(Debug, Default)]
pub struct ReplayedCode {
    /// Addresses by the kernel's number.
    pub stacks: HashMap<u32, Vec<u64>>,
    frames: HashMap<(u32, ProcessIndex), Vec<Frame>>,
}

impl ReplayedCode {
    /// Takes in names.
    pub fn learn(&mut self, resolved: Vec<Resolved>) {
        for stack in resolved {
            self.frames
                .insert((stack.number, stack.process), stack.frames);
        }
    }
}

impl Code for ReplayedCode {
    fn stack(&mut self, number: u32) -> Option<Vec<u64>> {
        self.stacks.get(&number).cloned()
    }

    fn frames(&mut self, number: u32, of: Of<'_>, addresses: &[u64]) -> Vec<Frame> {
        self.frames
            .get(&(number, of.process))
            .cloned()
            .unwrap_or_else(|| {
                unnamed(
                    of,
                    addresses,
                    "the recording has no name for it: those are looked up when a session ends",
                )
            })
    }
}
