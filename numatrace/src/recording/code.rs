//! Stacks and function names from a recording.

use std::collections::HashMap;

use super::chunks::Resolved;
use crate::{
    decode::mapping_run::FileId,
    enrich::process::ProcessIndex,
    label::{
        code::Code,
        symbol::{Of, unnamed, unnamed_kernel},
    },
    model::Frame,
};

/// Frames, and why some may be missing at the outer end.
type Named = (Vec<Frame>, Option<String>);

/// Stacks and names that the recording holds.
#[derive(Debug, Default)]
pub struct ReplayedCode {
    /// Addresses by the kernel's stack id.
    pub stacks: HashMap<u32, Vec<u64>>,
    /// Build ids of mapped files.
    pub build_ids: HashMap<FileId, String>,
    frames: HashMap<(u32, Option<ProcessIndex>), Named>,
}

impl ReplayedCode {
    /// Adds stacks with names.
    pub fn learn(&mut self, resolved: Vec<Resolved>) {
        for stack in resolved {
            if !stack.addresses.is_empty() {
                self.stacks.insert(stack.number, stack.addresses);
            }
            self.frames
                .insert((stack.number, stack.process), (stack.frames, stack.short));
        }
    }
}

impl Code for ReplayedCode {
    fn stack(&mut self, number: u32) -> Option<Vec<u64>> {
        let addresses = self.stacks.get(&number).cloned();
        // Of stacks of the kernel a recording has the names only.
        addresses.or_else(|| self.frames.contains_key(&(number, None)).then(Vec::new))
    }

    fn frames(&mut self, number: u32, of: Of<'_>, addresses: &[u64]) -> Named {
        if let Some(named) = self.frames.get(&(number, Some(of.index))) {
            return named.clone();
        }
        let why = "the recording has no name for it: names are looked up when a session ends";
        (unnamed(of, addresses, &self.build_ids, why), None)
    }

    fn kernel_frames(&mut self, number: u32, addresses: &[u64]) -> Vec<Frame> {
        match self.frames.get(&(number, None)) {
            // Earlier versions recorded addresses of the kernel.
            Some((frames, _)) => frames
                .iter()
                .map(|frame| Frame {
                    addr: None,
                    ..frame.clone()
                })
                .collect(),
            None => unnamed_kernel(addresses),
        }
    }
}
