//! Sentences about mappings that findings have in common: place, first touch, use.

use std::cmp::Reverse;

use super::fix::{self, Fix};
use super::{WORTH_REPORTING, words};
use crate::ids::{NodeId, Tid};
use crate::model::matrix::share;
use crate::model::{Host, Mapping, Matrix, Name, Process, RemoteByCause, Snapshot, number};

/// Threads named in a sentence.
const THREADS: usize = 3;

/// Returns the base pages of mappings that migrated from one node to another since their first
/// touch and stayed there, as far as migrations were traced.
pub fn followed(mappings: &[&Mapping], (from, to): (usize, usize)) -> u64 {
    let each = mappings
        .iter()
        .map(|mapping| match &mapping.page_migrations {
            Some(moved) => moved
                .matrix
                .at(from, to)
                .saturating_sub(moved.matrix.at(to, from)),
            None => mapping
                .hint_faults
                .as_ref()
                .and_then(|faults| faults.migrated)
                .unwrap_or(0),
        });
    each.sum()
}

/// Returns whether so many pages that are used elsewhere are where they are used now, after so many
/// have moved there.
pub fn is_over(pages: u64, followed: u64) -> bool {
    let nearly_all = followed.saturating_mul(10) >= pages.saturating_mul(9);
    nearly_all && pages.saturating_sub(followed) < WORTH_REPORTING
}

/// Says how to migrate so many pages, less those that followed, to another node. `None` when hardly
/// any are left, or when migratepages(8), which moves everything that the process has on that node,
/// would move more pages that are well placed.
pub fn moving(
    host: &Host,
    process: &Process,
    mappings: &[&Mapping],
    nodes @ (from, to): (usize, usize),
    pages: u64,
) -> Option<Fix> {
    let left = pages.saturating_sub(followed(mappings, nodes));
    let there = process.pages().map_or(0, |pages| pages.at(from));
    if left < WORTH_REPORTING || left.saturating_mul(2) < there {
        return None;
    }
    let text = format!(
        "move what is there ({} MiB)",
        number::mib(Some(left), host.page_size)
    );
    fix::move_pages(host, process, (&[from], to), text)
}

/// Names a mapping: `[anon] at 0x7f0000000000 (64.0 MiB)`.
pub fn place(host: &Host, mapping: &Mapping) -> String {
    let bytes = mapping.end.0.saturating_sub(mapping.start.0);
    format!(
        "{} at {:#x} ({} MiB)",
        mapping.name.to_utf8(),
        mapping.start.0,
        number::mib(bytes.checked_div(host.page_size), host.page_size)
    )
}

/// Says which threads touched a mapping first, and on which node that placed it.
pub fn placed(host: &Host, process: &Process, mapping: &Mapping) -> String {
    let place = place(host, mapping);
    let all = mapping.touched();
    let Some(home) = mapping.home().filter(|_| all > 0) else {
        return format!("{place}: touched before this session");
    };
    let there = mapping.touches().map_or(0, |pages| pages.by_to().at(home));
    let by = mapping.first_touch.as_ref().map(|touch| {
        let tids: Vec<Tid> = touch.by_tid.iter().map(|entry| entry.tid).collect();
        format!(" by {}", threads(process, &tids))
    });
    format!(
        "{place}: first touch{} placed {} of its {} pages on {}",
        by.unwrap_or_default(),
        number::grouped(there),
        number::grouped(all),
        words::nodes(host, [home]),
    )
}

/// Says which threads use a mapping, and from which node. `None` without sampled accesses.
pub fn used(host: &Host, process: &Process, mapping: &Mapping) -> Option<String> {
    let accesses = mapping.accesses().filter(|faults| faults.total() > 0)?;
    let user = mapping.user()?;
    let remote = accesses.off_diagonal();
    let node = host.nodes.get(user)?.node;
    let tids: Vec<Tid> = mapping
        .users
        .iter()
        .filter(|entry| entry.node == Some(node))
        .map(|entry| entry.tid)
        .collect();
    let by = if tids.is_empty() {
        String::new()
    } else {
        format!(" by {}", threads(process, &tids))
    };
    Some(format!(
        "{} of {} sampled accesses to it were remote ({}); it is used from {}{by}",
        number::grouped(remote),
        number::grouped(accesses.total()),
        number::percent_sign(share(remote, accesses.total())),
        words::nodes(host, [user]),
    ))
}

/// Says where in the program a mapping was touched, if a stack was taken: an inlined function with
/// the function it is in, then callers.
pub fn from_stack(snapshot: &Snapshot, mapping: &Mapping) -> Option<String> {
    touched_in(snapshot, mapping, THREADS)
}

/// Says where in the program a mapping was touched, with so many functions, innermost first.
pub fn touched_in(snapshot: &Snapshot, mapping: &Mapping, functions: usize) -> Option<String> {
    let id = mapping.first_touch.as_ref()?.stacks.first()?;
    let stack = snapshot.stacks.iter().find(|stack| stack.id == *id)?;
    Some(format!("touched in {}", stack.functions(functions)?))
}

/// Names the mapping with most of the pages that a finding is about, and says where in the program
/// they were touched. `None` when no stack was taken of it.
pub fn most_touched(
    snapshot: &Snapshot,
    process: &Process,
    pages: impl Fn(&Mapping) -> u64,
) -> Option<String> {
    let mappings = process.mappings.iter();
    let (_, mapping) = mappings
        .map(|mapping| (pages(mapping), mapping))
        .filter(|(pages, _)| *pages > 0)
        .max_by_key(|(pages, mapping)| (*pages, Reverse(mapping.start)))?;
    let stack = from_stack(snapshot, mapping)?;
    Some(format!(
        "most in {}, {stack}",
        place(&snapshot.host, mapping)
    ))
}

/// Returns the remote pages of a mapping that have a cause; all remote ones where causes are not
/// known.
pub fn remote_by(mapping: &Mapping, cause: impl Fn(&RemoteByCause) -> u64) -> u64 {
    let causes = mapping.first_touch.as_ref();
    let causes = causes.and_then(|touch| touch.remote_by_cause.as_ref());
    let remote = || mapping.touches().map_or(0, Matrix::off_diagonal);
    causes.map_or_else(remote, cause)
}

/// Names threads: `thread init (187)`, `threads worker (188), worker (189), worker (190), 3 more`.
pub fn threads(process: &Process, tids: &[Tid]) -> String {
    let name = |tid: &Tid| {
        let thread = process.threads.iter().find(|thread| thread.tid == *tid);
        let comm = thread.map_or_else(|| Name::from("thread"), |thread| thread.comm.clone());
        format!("{} ({tid})", comm.to_utf8())
    };
    let mut names: Vec<String> = tids.iter().take(THREADS).map(name).collect();
    if tids.len() > THREADS {
        names.push(format!("{} more", tids.len() - THREADS));
    }
    let noun = if tids.len() == 1 { "thread" } else { "threads" };
    format!("{noun} {}", names.join(", "))
}

/// Sums up the mappings that are not described one by one; nothing when there are none.
pub fn others(host: &Host, mappings: Option<&[&Mapping]>) -> Option<String> {
    let mappings = mappings.filter(|mappings| !mappings.is_empty())?;
    let pages = mappings.iter().map(|mapping| mapping.touched()).sum();
    Some(format!(
        "{} with {} MiB touched",
        number::plural(mappings.len(), "more mapping"),
        number::mib(Some(pages), host.page_size)
    ))
}

/// Returns the position of a node.
pub fn position(host: &Host, node: Option<NodeId>) -> Option<usize> {
    host.position(node?)
}
