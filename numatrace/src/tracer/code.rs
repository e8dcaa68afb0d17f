//! Stacks of the running session, and names from the files of the processes that they are of.

use crate::{
    capture::stacks::Stacks,
    label::{
        code::Code,
        symbol::{Of, Symbols},
    },
    model::Frame,
    recording::chunks::Resolved,
};

/// The live source.
pub(super) struct LiveCode<'a> {
    stacks: &'a Stacks,
    symbols: Symbols,
    /// What was looked up, for a recording.
    pub(super) resolved: Vec<Resolved>,
}

impl<'a> LiveCode<'a> {
    pub(super) fn new(stacks: &'a Stacks) -> Self {
        Self {
            stacks,
            symbols: Symbols::default(),
            resolved: Vec::new(),
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
        let (frames, cut) = self.symbols.frames(of, addresses);
        let short = cut.map(|cut| cut.reason().to_owned());
        self.resolved.push(Resolved {
            number,
            process: of.index,
            frames: frames.clone(),
            short: short.clone(),
        });
        (frames, short)
    }
}
