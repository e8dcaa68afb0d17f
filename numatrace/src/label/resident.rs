//! Residency joined to mappings: the nodes that their pages lie on in the end.

use super::activity;
use crate::{
    enrich::{facts::resident::Resident, process::ProcessIndex, spaces::Spaces},
    ids::NodeId,
    model::{Addr, Mapping, MappingKind, Name, PerNode, Process},
};

/// Bytes of a base page.
const PAGE: u64 = 4096;

/// Base pages from which on a mapping is listed that has nothing but residency: 1 MiB.
const WORTH_LISTING: u64 = 256;

/// Gives mappings their residency. Mappings of which nothing else is known are added.
pub fn fill(
    process: &mut Process,
    index: ProcessIndex,
    seen: &[Resident],
    spaces: &Spaces,
    nodes: &[NodeId],
) {
    if seen.is_empty() {
        return;
    }
    for mapping in &mut process.mappings {
        mapping.residency = Some(PerNode::zeros(nodes.len()));
    }
    for resident in seen {
        let mut pages = PerNode::zeros(nodes.len());
        for (node, count) in &resident.pages {
            if let Some(at) = activity::place(*node, nodes) {
                pages.add_at(at, *count);
            }
        }
        let line = spaces.line(index, resident.start);
        let known = process
            .mappings
            .iter_mut()
            .find(|mapping| mapping.start.0 <= resident.start && resident.start < mapping.end.0);
        match known {
            Some(mapping) => mapping
                .residency
                .get_or_insert_with(|| PerNode::zeros(nodes.len()))
                .add(&pages),
            None if pages.total() >= WORTH_LISTING => {
                let (start, end, kind, name) = match (line, &resident.file) {
                    (Some(line), _) => (
                        line.start,
                        line.end,
                        kind(line.name.as_bytes(), line.file.is_some()),
                        name(&line.name, line.executable && line.file.is_some()),
                    ),
                    // The mapping was never read from maps, so its end is not known.
                    (None, Some(path)) => {
                        let start = resident.start;
                        let end = start.saturating_add(pages.total().saturating_mul(PAGE));
                        (start, end, MappingKind::File, path.clone())
                    }
                    (None, None) => continue,
                };
                process.mappings.push(Mapping {
                    start: Addr(start),
                    end: Addr(end),
                    kind,
                    name,
                    first_touch: None,
                    hint_faults: None,
                    users: Vec::new(),
                    page_migrations: None,
                    surprise_pages: None,
                    shared_elsewhere_pages: None,
                    residency: Some(pages),
                });
            }
            None => {}
        }
    }
}

fn kind(name: &[u8], file: bool) -> MappingKind {
    match name {
        b"[heap]" => MappingKind::Heap,
        b"[stack]" => MappingKind::Stack,
        _ if file => MappingKind::File,
        _ => MappingKind::Anon,
    }
}

fn name(name: &Name, text: bool) -> Name {
    match (name.is_empty(), text) {
        (true, _) => Name::from("[anon]"),
        (false, true) => Name::from([name.as_bytes(), b" text"].concat()),
        (false, false) => name.clone(),
    }
}
