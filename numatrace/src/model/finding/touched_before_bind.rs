//! `touched-before-bind`: a thread touched its memory, then was bound elsewhere; what it had touched stayed behind.
//!
//! Only a change of the CPU mask or of the memory policy is a bind; that the scheduler moved a thread is no mistake of the program's.

use std::cmp::Reverse;

use super::{Diagnosis, Finding, NAMED, Severity, WORTH_TELLING, memory, words};
use crate::ids::Tid;
use crate::model::{Bind, Mapping, Process, ProcessKind, Snapshot, number};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "touched-before-bind",
    check,
};

/// Mappings of a thread that are described.
const DESCRIBED: usize = 3;

/// A thread that was bound away from what it had touched.
#[derive(Clone, Copy, Debug)]
pub struct Rebound<'a> {
    /// The thread.
    tid: Tid,
    /// Base pages it had touched.
    pages: u64,
    /// Position of the node they lie on.
    from: usize,
    /// Position of the node it went to.
    to: usize,
    /// The change.
    bind: &'a Bind,
}

/// Whether that is the story of a mapping, and whose: its main toucher was bound after its last touch. Positions are left to the caller's
/// snapshot.
pub fn rebound<'a>(process: &'a Process, mapping: &Mapping) -> Option<(Tid, u64, &'a Bind)> {
    let touch = mapping.first_touch.as_ref()?.by_tid.first()?;
    if touch.pages < WORTH_TELLING {
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
    let ran = thread.run_ns.as_ref().and_then(memory::most);
    let used = mapping
        .users
        .iter()
        .find(|user| user.tid == touch.tid)
        .and_then(|user| user.node);
    // Where it went shows in what it used afterwards, or in where it ran most.
    let elsewhere = match (used, touch.node) {
        (Some(used), Some(touched)) => used != touched,
        (None, Some(_)) => ran.is_some(),
        _ => false,
    };
    elsewhere.then_some((touch.tid, touch.pages, bind))
}

/// A policy for a range of memory says nothing of what lies elsewhere.
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
    // One sentence for all that a thread left behind, its largest mapping first.
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

/// The story with its nodes, when they are two.
fn placed<'a>(snapshot: &Snapshot, process: &'a Process, mapping: &Mapping) -> Option<Rebound<'a>> {
    let host = &snapshot.host;
    let (tid, pages, bind) = rebound(process, mapping)?;
    let from = memory::home(host, mapping)?;
    let user = mapping.users.iter().find(|user| user.tid == tid);
    let thread = process.threads.iter().find(|thread| thread.tid == tid)?;
    let to = memory::position(host, user.and_then(|user| user.node))
        .or_else(|| thread.run_ns.as_ref().and_then(memory::most))?;
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
        "{thread} was bound by {what} {} after it began, when the memory was there already",
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
            "{} MiB of it moved to {here} meanwhile",
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
            "bind first, touch then; from outside: numactl --cpunodebind={to} --membind={to} {command}{rest}",
            to = words::node_list(host, [rebound.to]),
            command = words::command(snapshot, process),
            rest = memory::moving(host, process, mappings, nodes, rebound.pages),
        ),
    }
}
