//! Stacks that a recording refers to: addresses, and build ids of the files that these are in.
//!
//! They are written when they are first seen, so names can be looked up even for a truncated
//! recording.

use std::collections::BTreeMap;

use super::chunks;
use crate::{
    capture::stacks::Stacks,
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
    /// Stacks that are not written yet, with a thread that has them.
    new: Vec<(u32, ThreadId)>,
    /// `None` for a file without a build id, or one that may not be read.
    build_ids: BTreeMap<FileId, Option<String>>,
    symbols: Symbols,
}

impl SeenCode {
    /// Adds the stack of an event, if it has one.
    pub fn seen(&mut self, event: &Event, stacks: &Stacks) {
        let (number, thread) = match &event.body {
            Body::TouchRun(run) => (run.stack, run.thread),
            Body::KernelAlloc(sample) => (sample.stack, sample.thread),
            _ => return,
        };
        if let Some(number) = number
            && !self.stacks.contains_key(&number)
            && let Some(addresses) = stacks.addresses(number)
        {
            self.stacks.insert(number, addresses);
            self.new.push((number, thread));
        }
    }

    /// Drops the list of new stacks: they will not be written.
    pub fn forget_new(&mut self) {
        self.new.clear();
    }

    /// Appends stacks and build ids that are new.
    pub fn put_new<F>(&mut self, out: &mut Vec<u8>, enrich: &Enrich<F>) {
        let (mut stacks, mut builds) = (Vec::new(), Vec::new());
        for (number, thread) in std::mem::take(&mut self.new) {
            let Some(addresses) = self.stacks.get(&number) else {
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
    }

    /// Appends all stacks and build ids.
    pub fn put_all(&self, out: &mut Vec<u8>) {
        let stacks: Vec<_> = self
            .stacks
            .iter()
            .map(|(number, addresses)| (*number, addresses.clone()))
            .collect();
        let builds: Vec<_> = self
            .build_ids
            .iter()
            .filter_map(|(file, id)| Some((*file, id.clone()?)))
            .collect();
        chunks::put_stacks(out, &stacks);
        chunks::put_build_ids(out, &builds);
    }
}
