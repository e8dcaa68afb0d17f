//! Sentences about mappings that findings share: where one lies, who touched it first, who uses it.

use super::{WORTH_TELLING, words};
use crate::ids::{NodeId, Tid};
use crate::model::matrix::share;
use crate::model::{Frame, Host, Mapping, Matrix, Name, PerNode, Process, Snapshot, number};

/// Threads named in a sentence.
const THREADS: usize = 3;

/// Base pages touched first in a mapping.
pub fn touched(mapping: &Mapping) -> u64 {
    pages(mapping).map_or(0, Matrix::total)
}

/// First touches of a mapping, where they were measured.
pub fn pages(mapping: &Mapping) -> Option<&Matrix> {
    mapping.first_touch.as_ref()?.pages.as_ref()
}

/// Sampled accesses of a mapping, where they were measured.
pub fn faults(mapping: &Mapping) -> Option<&Matrix> {
    mapping.hint_faults.as_ref()?.matrix.as_ref()
}

/// Where most of a mapping was placed: by first touch, else where sampled remote accesses found it.
pub fn home(host: &Host, mapping: &Mapping) -> Option<usize> {
    let placed = pages(mapping).filter(|pages| pages.total() > 0);
    match placed {
        Some(pages) => most(&pages.by_to()),
        None => {
            let faults = faults(mapping)?;
            let mut remote = PerNode::zeros(host.nodes.len());
            for from in 0..host.nodes.len() {
                for to in (0..host.nodes.len()).filter(|to| *to != from) {
                    remote.add_at(to, faults.at(from, to));
                }
            }
            most(&remote)
        }
    }
}

/// Where most uses of a mapping came from that did not come from its home.
pub fn user(host: &Host, mapping: &Mapping) -> Option<usize> {
    let home = home(host, mapping)?;
    let mut users = faults(mapping)?.by_from();
    if let Some(at_home) = users.0.get_mut(home) {
        *at_home = 0;
    }
    most(&users)
}

/// Base pages of mappings that went from one node to another since their first touch and stayed there, as far as it was seen.
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

/// How so many pages, less those that followed, are moved to another node: a clause for the end of a fix. None when hardly anything is left, or when
/// most of what would be moved, all that the process has on that node, is well where it is.
pub fn moving(
    host: &Host,
    process: &Process,
    mappings: &[&Mapping],
    nodes @ (from, to): (usize, usize),
    pages: u64,
) -> String {
    let left = pages.saturating_sub(followed(mappings, nodes));
    let there = process.pages().map_or(0, |pages| pages.at(from));
    if left < WORTH_TELLING || left.saturating_mul(2) < there {
        return String::new();
    }
    format!(
        "; what is there now moves with: migratepages {} {} {} ({} MiB)",
        process.pid,
        words::node_list(host, [from]),
        words::node_list(host, [to]),
        number::mib(Some(left), host.page_size)
    )
}

/// The position with most, if there is anything.
pub fn most(counts: &PerNode) -> Option<usize> {
    let (position, count) = counts
        .0
        .iter()
        .enumerate()
        .max_by_key(|(position, count)| (**count, std::cmp::Reverse(*position)))?;
    (*count > 0).then_some(position)
}

/// `[anon] at 0x7f0000000000 (64.0 MiB)`.
pub fn place(host: &Host, mapping: &Mapping) -> String {
    let bytes = mapping.end.0.saturating_sub(mapping.start.0);
    format!(
        "{} at {:#x} ({} MiB)",
        mapping.name.to_utf8(),
        mapping.start.0,
        number::mib(bytes.checked_div(host.page_size), host.page_size)
    )
}

/// Who touched it, and where.
pub fn placed(host: &Host, process: &Process, mapping: &Mapping) -> String {
    let place = place(host, mapping);
    let all = touched(mapping);
    let Some(home) = home(host, mapping).filter(|_| all > 0) else {
        return format!("{place} was touched before this session");
    };
    let there = pages(mapping).map_or(0, |pages| pages.by_to().at(home));
    let by = mapping.first_touch.as_ref().map(|touch| {
        let tids: Vec<Tid> = touch.by_tid.iter().map(|entry| entry.tid).collect();
        threads(process, &tids)
    });
    format!(
        "{place}: {} of its {} pages were placed on {} by their first touch, by {}",
        number::grouped(there),
        number::grouped(all),
        words::nodes(host, [home]),
        by.unwrap_or_default(),
    )
}

/// Who uses it, and from where. `None` when nobody was seen to.
pub fn used(host: &Host, process: &Process, mapping: &Mapping) -> Option<String> {
    let faults = faults(mapping).filter(|faults| faults.total() > 0)?;
    let user = user(host, mapping).or_else(|| most(&faults.by_from()))?;
    let remote = faults.off_diagonal();
    let node = host.nodes.get(user)?.node;
    let tids: Vec<Tid> = mapping
        .users
        .iter()
        .filter(|entry| entry.node == Some(node))
        .map(|entry| entry.tid)
        .collect();
    Some(format!(
        "{} of {} sampled accesses to it went to another node ({}); it is used from {}{}",
        number::grouped(remote),
        number::grouped(faults.total()),
        words::percent(share(remote, faults.total())),
        words::nodes(host, [user]),
        if tids.is_empty() {
            String::new()
        } else {
            format!(" by {}", threads(process, &tids))
        },
    ))
}

/// Where in the program it was touched, if a stack was taken: what the compiler put into a function is named once, the function and its
/// callers after that.
pub fn from_stack(snapshot: &Snapshot, mapping: &Mapping) -> Option<String> {
    touched_in(snapshot, mapping, THREADS)
}

/// The same with as many functions, innermost first.
pub fn touched_in(snapshot: &Snapshot, mapping: &Mapping, functions: usize) -> Option<String> {
    let id = mapping.first_touch.as_ref()?.stacks.first()?;
    let stack = snapshot.stacks.iter().find(|stack| stack.id == *id)?;
    let named = |frame: &&Frame| frame.symbol.is_some();
    let innermost = stack.frames.iter().find(named)?;
    let mut text = format!("touched in {}", function(innermost));
    let whole = stack.frames.iter().filter(named);
    let whole = whole.filter(|frame| !frame.inlined);
    // The innermost has been named when it is a function of its own.
    let callers = whole.skip(usize::from(!innermost.inlined));
    for (depth, frame) in callers.take(functions.saturating_sub(1)).enumerate() {
        let part = match (innermost.inlined, depth) {
            (true, 0) => " in ",
            _ => ", called by ",
        };
        text.push_str(part);
        text.push_str(&function(frame));
    }
    Some(text)
}

/// `init (matrix.c:41)`.
fn function(frame: &Frame) -> String {
    let symbol = frame.symbol.as_ref().map(Name::to_utf8).unwrap_or_default();
    match &frame.line {
        Some(line) => format!("{symbol} ({})", line.to_utf8()),
        None => symbol.into_owned(),
    }
}

/// `thread init (187)`, `threads worker (188), worker (189) and 3 more`.
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

/// The position of a node.
pub fn position(host: &Host, node: Option<NodeId>) -> Option<usize> {
    host.position(node?)
}
