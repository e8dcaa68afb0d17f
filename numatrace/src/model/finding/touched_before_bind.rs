//! `touched-before-bind`: a thread touched its memory and was then bound to a different node; the
//! memory stayed behind.
//!
//! Only a change of the CPU mask or of the memory policy is a bind; a move by the scheduler is not
//! a mistake of the program.

use std::cmp::Reverse;

use super::{Diagnosis, Finding, NAMED, Severity, WORTH_REPORTING, memory, words};
use crate::ids::Tid;
use crate::model::{Bind, Mapping, PerNode, Process, ProcessKind, Snapshot, number};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "touched-before-bind",
    check,
};

/// Mappings of a thread that are described.
const DESCRIBED: usize = 3;

/// A thread that was bound to a different node from the memory it had touched.
#[derive(Clone, Copy, Debug)]
pub struct Rebound<'a> {
    /// The thread.
    tid: Tid,
    /// Base pages that it had touched.
    pages: u64,
    /// Position of the node of these pages.
    from: usize,
    /// Position of the node that the thread went to.
    to: usize,
    /// The change.
    bind: &'a Bind,
}

/// Returns thread, pages and bind when the thread that touched most of a mapping was bound after
/// its last touch.
pub fn rebound<'a>(process: &'a Process, mapping: &Mapping) -> Option<(Tid, u64, &'a Bind)> {
    let touch = mapping.first_touch.as_ref()?.by_tid.first()?;
    if touch.pages < WORTH_REPORTING {
        return None;
    }
    let thread = process
        .threads
        .iter()
        .find(|thread| thread.tid == touch.tid)?;
    let bind = thread
        .binds
        .iter()
        .filter(|bind| concerns(bind, mapping))
        .find(|bind| touch.last_ns.is_some_and(|last| last <= bind.time_ns))?;
    let ran = thread.run_ns.as_ref().and_then(PerNode::most);
    let used = mapping
        .users
        .iter()
        .find(|user| user.tid == touch.tid)
        .and_then(|user| user.node);
    // The node of its later accesses shows that it moved, or else the node with most CPU time.
    let elsewhere = match (used, touch.node) {
        (Some(used), Some(touched)) => used != touched,
        (None, Some(_)) => ran.is_some(),
        _ => false,
    };
    elsewhere.then_some((touch.tid, touch.pages, bind))
}

/// Returns whether the bind applies to the mapping: a policy can be for a range of memory.
fn concerns(bind: &Bind, mapping: &Mapping) -> bool {
    bind.range
        .is_none_or(|[low, high]| low < mapping.end && mapping.start < high)
}

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let mut concerned: Vec<(&Process, &Mapping, Rebound<'_>)> = snapshot
        .processes
        .iter()
        .filter(|process| process.kind == ProcessKind::User)
        .flat_map(|process| {
            process.mappings.iter().filter_map(move |mapping| {
                Some((process, mapping, placed(snapshot, process, mapping)?))
            })
        })
        .collect();
    concerned.sort_by_key(|(process, _, rebound)| (Reverse(rebound.pages), process.pid));
    // One finding for all mappings that a thread left behind, the largest first.
    let mut threads: Vec<(&Process, Vec<&Mapping>, Rebound<'_>)> = Vec::new();
    for (process, mapping, rebound) in concerned {
        let same = threads
            .iter_mut()
            .find(|(of, _, first)| of.pid == process.pid && first.tid == rebound.tid);
        match same {
            Some((_, mappings, first)) => {
                mappings.push(mapping);
                first.pages += rebound.pages;
            }
            None => threads.push((process, vec![mapping], rebound)),
        }
    }
    threads.truncate(NAMED);
    threads
        .into_iter()
        .map(|(process, mappings, rebound)| finding(snapshot, process, &mappings, rebound))
        .collect()
}

/// Adds the nodes; `None` when the thread did not leave the node of its memory.
fn placed<'a>(snapshot: &Snapshot, process: &'a Process, mapping: &Mapping) -> Option<Rebound<'a>> {
    let host = &snapshot.host;
    let (tid, pages, bind) = rebound(process, mapping)?;
    let from = mapping.home()?;
    let user = mapping.users.iter().find(|user| user.tid == tid);
    let thread = process.threads.iter().find(|thread| thread.tid == tid)?;
    let to = memory::position(host, user.and_then(|user| user.node))
        .or_else(|| thread.run_ns.as_ref().and_then(PerNode::most))?;
    (from != to).then_some(Rebound {
        tid,
        pages,
        from,
        to,
        bind,
    })
}

fn finding(
    snapshot: &Snapshot,
    process: &Process,
    mappings: &[&Mapping],
    rebound: Rebound<'_>,
) -> Finding {
    let host = &snapshot.host;
    let mib = number::mib(Some(rebound.pages), host.page_size);
    let (there, here) = (
        words::nodes(host, [rebound.from]),
        words::nodes(host, [rebound.to]),
    );
    let thread = memory::threads(process, &[rebound.tid]);
    let what = rebound.bind.what.name();
    let mut evidence = vec![format!(
        "{thread} was bound by {what} {} after it started, when its memory was already placed",
        number::brief(rebound.bind.after_ns)
    )];
    for mapping in mappings.iter().take(DESCRIBED) {
        evidence.push(memory::placed(host, process, mapping));
        evidence.extend(memory::used(host, process, mapping));
        evidence.extend(memory::from_stack(snapshot, mapping));
    }
    let nodes = (rebound.from, rebound.to);
    let followed = memory::followed(mappings, nodes);
    if followed > 0 {
        evidence.push(format!(
            "{} MiB of it have since moved to {here}",
            number::mib(Some(followed), host.page_size)
        ));
    }
    Finding {
        id: DIAGNOSIS.id.into(),
        severity: Severity::Warning,
        pid: Some(process.pid),
        title: format!(
            "{thread} of {} touched {mib} MiB on {there} and was then bound to {here}",
            words::process(process)
        ),
        evidence,
        fix: format!(
            "bind before touching memory, or bind from outside: \
             numactl --cpunodebind={to} --membind={to} {command}{rest}",
            to = words::node_list(host, [rebound.to]),
            command = words::command(snapshot, process),
            rest = memory::moving(host, process, mappings, nodes, rebound.pages),
        ),
    }
}
