//! Residency in the report: sums of a process, and the nodes that the pages of its mappings lie on
//! in the end.

use super::activity;
use crate::{
    capture::sys::list::parse_kernel,
    enrich::{
        facts::resident::{Gap, Pages, Resident},
        process::ProcessIndex,
        residency::{Placed, Readings},
        spaces::Spaces,
    },
    ids::NodeId,
    model::{
        self, Addr, Host, HostNode, Mapping, MappingKind, Name, PerNode, Process, Residency, number,
    },
};

/// Bytes of a base page.
const PAGE: u64 = 4096;

/// Base pages from which on a mapping is listed that has nothing but residency: 1 MiB.
const WORTH_LISTING: u64 = 256;

/// Returns the residency of a process. `nodes` are in the report's order.
pub fn of_process(seen: &Readings, ended: bool, nodes: &[NodeId]) -> Residency {
    let resident = |placed: &Placed| model::Resident {
        at_ns: placed.at_ns,
        pages: per_node(&placed.own, nodes),
        file_pages: per_node(&placed.files, nodes),
    };
    Residency {
        first: seen.first.as_ref().map(resident),
        last: seen.last(ended).map(resident),
        cpus_allowed: seen.cpus.clone(),
        nodes_allowed: None,
        gap: seen.gap.map(|gap| match gap {
            Gap::TooLarge(pages) => format!(
                "not read: it has {} MiB, which would have taken too long",
                number::mib(Some(pages), PAGE)
            ),
            Gap::Cut => "cut: the reading took too long".to_owned(),
            Gap::Refused => "the kernel refused to read its memory".to_owned(),
        }),
    }
}

/// Adds the nodes of the CPUs that a process may run on.
pub fn fill_allowed(residency: &mut Residency, host: &Host) {
    let cpus = residency.cpus_allowed.as_deref();
    let Some(cpus) = cpus.and_then(|cpus| parse_kernel(cpus).ok()) else {
        return;
    };
    let has = |node: &&HostNode| node.cpus.iter().any(|cpu| cpus.contains(&cpu.0));
    let nodes = host.nodes.iter().filter(has);
    residency.nodes_allowed = Some(nodes.map(|node| node.node).collect());
}

fn per_node(pages: &Pages, nodes: &[NodeId]) -> PerNode {
    let mut sum = PerNode::zeros(nodes.len());
    for (node, count) in pages {
        if let Some(at) = activity::place(*node, nodes) {
            sum.add_at(at, *count);
        }
    }
    sum
}

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
        let pages = per_node(&resident.pages, nodes);
        let line = spaces.line(index, resident.start);
        let known = process
            .mappings
            .iter_mut()
            .find(|mapping| mapping.start.0 <= resident.start && resident.start < mapping.end.0);
        match known {
            Some(mapping) => {
                let residency = &mut mapping.residency;
                residency
                    .get_or_insert_with(|| PerNode::zeros(nodes.len()))
                    .add(&pages);
                if resident.file_system.is_some() {
                    mapping.file_system.clone_from(&resident.file_system);
                }
            }
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
                    file_system: resident.file_system.clone(),
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
