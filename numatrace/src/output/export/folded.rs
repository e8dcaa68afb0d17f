//! Folded stacks, the input of flame graphs: lines `frame;frame;… COUNT`, whose last frame is
//! `local` or `remote`.
//!
//! | weight | lines |
//! |---|---|
//! | pages, with stacks | `process;outermost function;…;innermost;mapping;local` |
//! | pages, without | `process;thread;mapping;local` |
//! | accesses | `process;thread;mapping;remote` |
//!
//! *Pages* are base pages touched first; local ones were placed on the node of the thread that
//! touched them. *Accesses* are NUMA hinting faults; local ones were to a page on the thread's
//! node. The lines add up to the processes of the report: numbers of a process that the report does
//! not split by thread, stack or mapping stand under `[other threads]`, `[no stack]` and
//! `[no mapping]`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::ids::Tid;
use crate::model::{Frame, Mapping, Matrix, Name, Process, Snapshot, Stack};
use crate::output::escape;

/// The unit of a line's count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weight {
    /// Base pages touched first.
    #[default]
    Pages,
    /// NUMA hinting faults: sampled accesses.
    Accesses,
}

/// Local and remote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Split {
    local: u64,
    remote: u64,
}

impl Split {
    fn of(matrix: Option<&Matrix>) -> Self {
        matrix.map_or(Self::default(), |matrix| Self {
            local: matrix.diagonal(),
            remote: matrix.off_diagonal(),
        })
    }

    fn parts(all: u64, remote: u64) -> Self {
        Self {
            local: all.saturating_sub(remote),
            remote,
        }
    }

    fn add(&mut self, other: Self) {
        self.local = self.local.saturating_add(other.local);
        self.remote = self.remote.saturating_add(other.remote);
    }

    fn within(self, other: Self) -> Self {
        Self {
            local: self.local.min(other.local),
            remote: self.remote.min(other.remote),
        }
    }

    fn less(self, other: Self) -> Self {
        Self {
            local: self.local.saturating_sub(other.local),
            remote: self.remote.saturating_sub(other.remote),
        }
    }
}

/// Returns the folded lines of a report, sorted; empty when the weight was not measured.
#[must_use]
pub fn lines(snapshot: &Snapshot, weight: Weight) -> Vec<String> {
    let stacks = snapshot
        .stacks
        .iter()
        .map(|stack| (stack.id, stack))
        .collect();
    let mut folded = Folded::default();
    for process in &snapshot.processes {
        match weight {
            Weight::Pages => pages(&mut folded, &stacks, process),
            Weight::Accesses => accesses(&mut folded, process),
        }
    }
    let lines = folded.0.into_iter();
    lines
        .map(|(frames, count)| format!("{frames} {count}"))
        .collect()
}

/// Stacks by their ids.
type Stacks<'a> = BTreeMap<u32, &'a Stack>;

/// Counts by their frames.
#[derive(Default)]
struct Folded(BTreeMap<String, u64>);

impl Folded {
    fn add(&mut self, frames: &[Cow<'_, str>], split: Split) {
        let frames = frames.join(";");
        for (leaf, count) in [("local", split.local), ("remote", split.remote)] {
            if count > 0 {
                let sum = self.0.entry(format!("{frames};{leaf}")).or_default();
                *sum = sum.saturating_add(count);
            }
        }
    }
}

fn pages(folded: &mut Folded, stacks: &Stacks<'_>, process: &Process) {
    let comm = frame(&process.comm);
    let mut in_mappings = Split::default();
    // Pages of each thread in mappings; its other pages are elsewhere.
    let mut by_tid: BTreeMap<Tid, Split> = BTreeMap::new();
    for mapping in &process.mappings {
        let Some(touch) = &mapping.first_touch else {
            continue;
        };
        let whole = Split::of(touch.pages.as_ref());
        in_mappings.add(whole);
        let mut rest = whole;
        let name = frame(&mapping.name);
        for entry in &touch.by_tid {
            if let Some(remote) = entry.remote {
                by_tid
                    .entry(entry.tid)
                    .or_default()
                    .add(Split::parts(entry.pages, remote));
            }
        }
        if touch.by_stack.is_empty() {
            for entry in &touch.by_tid {
                let Some(part) = thread_part(entry.pages, entry.remote, whole) else {
                    continue;
                };
                rest = rest.less(part);
                folded.add(
                    &[comm.clone(), thread(process, entry.tid), name.clone()],
                    part,
                );
            }
            folded.add(&[comm.clone(), "[other threads]".into(), name], rest);
        } else {
            for stack in &touch.by_stack {
                // In reports of earlier versions, the stack of a run counts all of its pages, also
                // those beyond the mapping in which it began.
                let part = Split::parts(stack.pages, stack.remote).within(rest);
                rest = rest.less(part);
                let mut frames = vec![comm.clone()];
                frames.extend(functions(stacks, stack.id));
                frames.push(name.clone());
                folded.add(&frames, part);
            }
            folded.add(&[comm.clone(), "[no stack]".into(), name], rest);
        }
    }
    let whole = Split::of(
        process
            .first_touch
            .as_ref()
            .and_then(|touch| touch.pages.as_ref()),
    );
    let mut rest = whole.less(in_mappings);
    for entry in &process.threads {
        let whole = Split::of(
            entry
                .first_touch
                .as_ref()
                .and_then(|touch| touch.pages.as_ref()),
        );
        let left = whole.less(by_tid.get(&entry.tid).copied().unwrap_or_default());
        // A thread cannot have more than the rest.
        let part = left.within(rest);
        rest = rest.less(part);
        folded.add(
            &[comm.clone(), frame(&entry.comm), "[no mapping]".into()],
            part,
        );
    }
    folded.add(
        &[comm, "[other threads]".into(), "[no mapping]".into()],
        rest,
    );
}

/// Returns a thread's part of a mapping. Reports of earlier versions do not split it: then it is
/// known only if the mapping is all local or all remote.
fn thread_part(pages: u64, remote: Option<u64>, whole: Split) -> Option<Split> {
    match (remote, whole.local, whole.remote) {
        (Some(remote), ..) => Some(Split::parts(pages, remote)),
        (None, _, 0) => Some(Split::parts(pages, 0)),
        (None, 0, _) => Some(Split::parts(pages, pages)),
        (None, ..) => None,
    }
}

fn accesses(folded: &mut Folded, process: &Process) {
    let comm = frame(&process.comm);
    let mut in_mappings = Split::default();
    for mapping in &process.mappings {
        let whole = Split::of(faults(mapping));
        in_mappings.add(whole);
        let mut rest = whole;
        for user in &mapping.users {
            let part = Split::parts(user.faults, user.remote);
            rest = rest.less(part);
            folded.add(
                &[
                    comm.clone(),
                    thread(process, user.tid),
                    frame(&mapping.name),
                ],
                part,
            );
        }
        folded.add(
            &[comm.clone(), "[other threads]".into(), frame(&mapping.name)],
            rest,
        );
    }
    let whole = process
        .hint_faults
        .as_ref()
        .and_then(|faults| faults.matrix.as_ref());
    let rest = Split::of(whole).less(in_mappings);
    folded.add(
        &[comm, "[other threads]".into(), "[no mapping]".into()],
        rest,
    );
}

fn faults(mapping: &Mapping) -> Option<&Matrix> {
    mapping.hint_faults.as_ref()?.matrix.as_ref()
}

/// Returns the functions of a stack, outermost first.
fn functions<'a>(stacks: &Stacks<'a>, id: u32) -> Vec<Cow<'a, str>> {
    match stacks.get(&id) {
        Some(stack) => stack.frames.iter().rev().map(function).collect(),
        None => vec!["[no stack]".into()],
    }
}

/// Names a function: by its symbol, else by module and offset, else by address.
fn function(of: &Frame) -> Cow<'_, str> {
    match (&of.symbol, &of.module, of.offset) {
        (Some(symbol), ..) => frame(symbol),
        (None, Some(module), Some(offset)) => format!("{}+{offset:#x}", frame(module)).into(),
        (None, Some(module), None) => frame(module),
        (None, None, _) => of.address_in_words().into(),
    }
}

fn thread(process: &Process, tid: Tid) -> Cow<'_, str> {
    let thread = process.threads.iter().find(|thread| thread.tid == tid);
    thread.map_or_else(|| format!("{tid}").into(), |thread| frame(&thread.comm))
}

/// Returns a name as a frame, without semicolons, which separate frames.
fn frame(name: &Name) -> Cow<'_, str> {
    let text = escape::text(name.as_bytes());
    if text.trim().is_empty() {
        "[nameless]".into()
    } else if text.contains(';') {
        text.replace(';', ":").into()
    } else {
        text
    }
}
