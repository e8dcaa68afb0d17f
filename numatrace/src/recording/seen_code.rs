//! Stacks that a recording refers to: addresses, and build ids of the files that these are in.
//!
//! They are written when they are first seen, so names can be looked up even for a truncated
//! recording. Of stacks of the kernel only the names are written: addresses would reveal where the
//! kernel lies.

use std::collections::{BTreeMap, BTreeSet};

use super::chunks::{self, Resolved};
use crate::{
    decode::{
        count::ThreadId,
        event::{Body, Event},
        mapping_run::FileId,
    },
    enrich::Enrich,
    label::symbol::{Of, Symbols},
};

/// Largest number of files whose build ids are looked up: each lookup reads an ELF file while the
/// session runs.
const FILES: usize = 256;

/// Stacks seen so far.
#[derive(Default)]
pub struct SeenCode {
    stacks: BTreeMap<u32, Vec<u64>>,
    /// Stacks of the kernel.
    kernel: BTreeSet<u32>,
    /// Stacks that are not written yet, with a thread that has them; none for the kernel's.
    new: Vec<(u32, Option<ThreadId>)>,
    /// `None` for a file without a build id, or one that may not be read.
    build_ids: BTreeMap<FileId, Option<String>>,
    symbols: Symbols,
}

impl SeenCode {
    /// Looks up build ids and names with these symbols.
    pub fn with(symbols: Symbols) -> Self {
        Self {
            symbols,
            ..Self::default()
        }
    }

    /// Adds the stack of an event, if it has one. `addresses` returns those of a stack.
    pub fn seen(&mut self, event: &Event, addresses: impl Fn(u32) -> Option<Vec<u64>>) {
        let (number, thread) = match &event.body {
            Body::TouchRun(run) => (run.stack, Some(run.thread)),
            Body::HugetlbFailed(failed) => (failed.stack, Some(failed.thread)),
            Body::PolicyRefused(refused) => (refused.stack, Some(refused.thread)),
            Body::KernelAlloc(sample) => (sample.stack, None),
            Body::AllocFailed(failed) => (failed.stack, None),
            _ => return,
        };
        if let Some(number) = number
            && !self.stacks.contains_key(&number)
            && let Some(addresses) = addresses(number)
        {
            self.stacks.insert(number, addresses);
            if thread.is_none() {
                self.kernel.insert(number);
            }
            self.new.push((number, thread));
        }
    }

    /// Drops the list of new stacks: they will not be written.
    pub fn forget_new(&mut self) {
        self.new.clear();
    }

    /// Appends stacks and build ids that are new.
    pub fn put_new<F>(&mut self, out: &mut Vec<u8>, enrich: &Enrich<F>) {
        self.symbols.begin_reading();
        let (mut stacks, mut builds, mut kernel) = (Vec::new(), Vec::new(), Vec::new());
        for (number, thread) in std::mem::take(&mut self.new) {
            let Some(addresses) = self.stacks.get(&number) else {
                continue;
            };
            let Some(thread) = thread else {
                kernel.push(self.named(number, addresses));
                continue;
            };
            stacks.push((number, addresses.clone()));
            let Some(index) = enrich.processes.at(thread.pid, thread.start_ns) else {
                continue;
            };
            let of = Of {
                process: enrich.processes.get(index),
                index,
                spaces: &enrich.spaces,
            };
            for line in addresses.iter().filter_map(|at| of.spaces.line(index, *at)) {
                let Some(file) = line.file else { continue };
                if self.build_ids.len() >= FILES || self.build_ids.contains_key(&file) {
                    continue;
                }
                let id = self.symbols.build_id(of, line);
                builds.extend(id.clone().map(|id| (file, id)));
                self.build_ids.insert(file, id);
            }
        }
        chunks::put_stacks(out, &stacks);
        chunks::put_build_ids(out, &builds);
        chunks::put_frames(out, &kernel);
    }

    /// Returns the names of a stack of the kernel.
    fn named(&self, number: u32, addresses: &[u64]) -> Resolved {
        Resolved {
            number,
            process: None,
            addresses: Vec::new(),
            frames: self.symbols.kernel_frames(addresses),
            short: None,
        }
    }

    /// Appends all stacks and build ids.
    pub fn put_all(&self, out: &mut Vec<u8>) {
        let (kernel, user): (Vec<_>, Vec<_>) = self
            .stacks
            .iter()
            .partition(|(number, _)| self.kernel.contains(number));
        let stacks: Vec<_> = user
            .into_iter()
            .map(|(number, addresses)| (*number, addresses.clone()))
            .collect();
        let kernel: Vec<_> = kernel
            .into_iter()
            .map(|(number, addresses)| self.named(*number, addresses))
            .collect();
        let builds: Vec<_> = self
            .build_ids
            .iter()
            .filter_map(|(file, id)| Some((*file, id.clone()?)))
            .collect();
        chunks::put_stacks(out, &stacks);
        chunks::put_build_ids(out, &builds);
        chunks::put_frames(out, &kernel);
    }
}
