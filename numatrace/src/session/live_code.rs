//! Stacks of the running session, with function names from the files of its processes.

use crate::{
    capture::stacks::Stacks,
    console::progress::{Progress, Work},
    label::{
        code::Code,
        symbol::{Of, Symbols},
    },
    model::Frame,
    recording::chunks::Resolved,
};

/// Source of stacks and names of a live session.
pub(super) struct LiveCode<'a> {
    stacks: &'a Stacks,
    symbols: &'a mut Symbols,
    /// Stacks that were named, for a recording.
    pub(super) resolved: Vec<Resolved>,
    progress: Progress,
}

impl<'a> LiveCode<'a> {
    /// Creates a source; with `quiet` it shows no progress.
    pub(super) fn new(stacks: &'a Stacks, symbols: &'a mut Symbols, quiet: bool) -> Self {
        symbols.begin_report();
        Self {
            stacks,
            symbols,
            resolved: Vec::new(),
            progress: Progress::new(Work::Naming, quiet),
        }
    }
}

impl Code for LiveCode<'_> {
    fn stack(&mut self, number: u32) -> Option<Vec<u64>> {
        self.stacks.addresses(number)
    }

    fn frames(
        &mut self,
        number: u32,
        of: Of<'_>,
        addresses: &[u64],
    ) -> (Vec<Frame>, Option<String>) {
        let (frames, truncated) = self.symbols.frames(of, addresses);
        let short = truncated.map(|why| why.reason().to_owned());
        self.resolved.push(Resolved {
            number,
            process: Some(of.index),
            addresses: addresses.to_vec(),
            frames: frames.clone(),
            short: short.clone(),
        });
        self.progress.show(self.resolved.len() as u64);
        (frames, short)
    }

    fn kernel_frames(&mut self, number: u32, addresses: &[u64]) -> Vec<Frame> {
        let frames = self.symbols.kernel_frames(addresses);
        self.resolved.push(Resolved {
            number,
            process: None,
            addresses: Vec::new(),
            frames: frames.clone(),
            short: None,
        });
        frames
    }
}
