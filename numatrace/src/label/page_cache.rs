//! The page cache that a process filled, by file, most pages first.

use std::{cmp::Reverse, collections::BTreeMap};

use super::{activity, mapping_name::unnamed_file};
use crate::{
    decode::mapping_run::FileId,
    enrich::spaces::Spaces,
    fold::{
        area::Thread,
        mapping::{FillKey, Memory},
    },
    ids::NodeId,
    model::{FilledFile, TidPages},
};

/// Returns the files whose pages a process brought into the page cache, most pages first.
pub(super) fn filled(memory: &Memory, spaces: &Spaces, nodes: &[NodeId]) -> Vec<FilledFile> {
    let files = memory.filled.iter();
    let mut files: Vec<FilledFile> = files
        .map(|(file, fills)| one(*file, fills, spaces, nodes))
        .collect();
    files.sort_by_cached_key(|file| (Reverse(file.by_io + file.by_fault), file.file.clone()));
    files
}

fn one(
    file: FileId,
    fills: &BTreeMap<FillKey, u64>,
    spaces: &Spaces,
    nodes: &[NodeId],
) -> FilledFile {
    let (mut by_io, mut by_fault) = (0, 0);
    let mut threads: BTreeMap<Thread, BTreeMap<NodeId, u64>> = BTreeMap::new();
    for (key, pages) in fills {
        let sum = if key.by_fault {
            &mut by_fault
        } else {
            &mut by_io
        };
        *sum += pages;
        *threads
            .entry(key.thread)
            .or_default()
            .entry(key.nodes.0)
            .or_default() += pages;
    }
    let mut by_tid: Vec<TidPages> = threads
        .into_iter()
        .map(|((tid, _), nodes)| TidPages {
            tid,
            pages: nodes.values().sum(),
            remote: None,
            node: nodes
                .iter()
                .max_by_key(|(node, pages)| (**pages, Reverse(**node)))
                .map(|(node, _)| *node),
            last_ns: None,
        })
        .collect();
    by_tid.sort_by_key(|entry| (Reverse(entry.pages), entry.tid));
    FilledFile {
        file: spaces
            .file(file)
            .cloned()
            .unwrap_or_else(|| unnamed_file(file)),
        pages: activity::matrix(fills.iter().map(|(key, pages)| (key.nodes, *pages)), nodes),
        by_io,
        by_fault,
        by_tid,
    }
}
