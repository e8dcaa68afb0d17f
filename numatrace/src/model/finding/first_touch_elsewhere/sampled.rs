//! The finding where NUMA balancing samples accesses: of each mapping, the node with most of them
//! says who uses it.

use std::cmp::Reverse;

use super::{DESCRIBED, DIAGNOSIS, fixes};
use crate::model::finding::{
    Finding, NAMED, Severity, WORTH_REPORTING, away, memory, touched_before_bind, words,
};
use crate::model::matrix::share;
use crate::model::{Mapping, Matrix, Process, ProcessKind, Snapshot, number};

/// Least share of a mapping's pages that are used remotely.
const SHARE: f64 = 0.1;

/// Mappings of one process that lie on one node and are used from another.
pub struct Group<'a> {
    process: &'a Process,
    /// Positions of the node that they lie on, and of the node of their users.
    nodes: (usize, usize),
    /// Whether first touches of this session placed them there.
    touched: bool,
    /// Base pages used remotely.
    pages: u64,
    mappings: Vec<&'a Mapping>,
}

/// Returns what there is to say about mappings with sampled accesses, those with most pages first.
pub fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let programs = snapshot.processes.iter();
    let programs = programs.filter(|process| process.kind == ProcessKind::User);
    let mut groups: Vec<Group<'_>> = programs
        .flat_map(|process| groups(snapshot, process))
        .collect();
    groups.sort_by_key(|group| (Reverse(group.pages), group.process.pid));
    groups.truncate(NAMED);
    groups
        .iter()
        .filter_map(|group| finding(snapshot, group))
        .collect()
}

/// Returns the mappings of a process that are used from elsewhere, by their nodes.
pub fn groups<'a>(snapshot: &Snapshot, process: &'a Process) -> Vec<Group<'a>> {
    let mut mappings: Vec<&Mapping> = process
        .mappings
        .iter()
        .filter(|mapping| is_used_remotely(mapping))
        // A bind after the touch has a finding of its own.
        .filter(|mapping| !touched_before_bind::concerns(snapshot, process, mapping))
        .collect();
    mappings.sort_by_key(|mapping| Reverse(mapping.surprise_pages));
    let mut groups: Vec<Group<'_>> = Vec::new();
    for mapping in mappings {
        // Where most accesses come from the pages' own node, the others are no reason to move them.
        let Some(accesses) = mapping.accesses().map(Matrix::by_from) else {
            continue;
        };
        let is_more = |(home, user): &(usize, usize)| accesses.at(*user) > accesses.at(*home);
        let Some(nodes) = mapping.home().zip(accesses.most()).filter(is_more) else {
            continue;
        };
        let pages = mapping.surprise_pages.unwrap_or(0);
        let placed = mapping.touches().map(|pages| pages.by_to().at(nodes.0));
        let touched = placed.is_some_and(|placed| placed >= pages);
        let same = |group: &&mut Group<'_>| (group.nodes, group.touched) == (nodes, touched);
        match groups.iter_mut().find(same) {
            Some(group) => {
                group.pages = group.pages.saturating_add(pages);
                group.mappings.push(mapping);
            }
            None => groups.push(Group {
                process,
                nodes,
                touched,
                pages,
                mappings: vec![mapping],
            }),
        }
    }
    groups
}

/// Returns whether enough pages of the mapping are used remotely.
fn is_used_remotely(mapping: &Mapping) -> bool {
    let pages = mapping.surprise_pages.unwrap_or(0);
    let touched = mapping.touched();
    pages >= WORTH_REPORTING
        && (touched == 0 || share(pages, touched).is_some_and(|part| part >= SHARE))
}

fn finding(snapshot: &Snapshot, group: &Group<'_>) -> Option<Finding> {
    let host = &snapshot.host;
    let Group {
        process,
        nodes: nodes @ (home, user),
        touched,
        pages,
        ref mappings,
    } = *group;
    let mib = |pages| number::mib(Some(pages), host.page_size);
    let (there, here) = (words::nodes(host, [home]), words::nodes(host, [user]));
    let who = words::process(process);

    let mut evidence = Vec::new();
    for mapping in mappings.iter().take(DESCRIBED) {
        evidence.push(memory::placed(host, process, mapping));
        evidence.push(memory::used(host, process, mapping)?);
        evidence.extend(memory::from_stack(snapshot, mapping));
    }
    if let Some(rest) = mappings.get(DESCRIBED..).filter(|rest| !rest.is_empty()) {
        let pages = rest.iter().filter_map(|mapping| mapping.surprise_pages);
        evidence.push(format!(
            "{} with {} MiB used remotely",
            number::plural(rest.len(), "more mapping"),
            mib(pages.sum())
        ));
    }
    let followed = memory::followed(mappings, nodes).min(pages);
    if followed > 0 {
        evidence.push(format!("{} MiB have since moved to {here}", mib(followed)));
    }
    let size = mib(pages);
    // A problem that is over is told as such, and is no reason to hurry.
    let is_over = memory::is_over(pages, followed);
    let title = match (touched, is_over) {
        (true, false) => {
            format!("{who} touched {size} MiB on {there} first and uses them from {here}")
        }
        (true, true) => format!(
            "{who} touched {size} MiB on {there} first and used them from {here}, where they are \
             now"
        ),
        (false, false) => format!("{who} uses {size} MiB on {there} from {here}"),
        (false, true) => {
            format!("{who} used {size} MiB on {there} from {here}, where they are now")
        }
    };
    let severity = if is_over {
        Severity::Info
    } else {
        away::severity(snapshot, process)
    };
    Some(Finding::new(
        DIAGNOSIS.id,
        severity,
        Some(process.pid),
        title,
        evidence,
        fixes(snapshot, process, mappings, nodes, pages),
    ))
}
