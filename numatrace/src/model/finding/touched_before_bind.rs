//! `touched-before-bind`: a thread touched its memory and was then bound to a different node, or a
//! policy for the memory came when it was touched already; the memory stayed behind.
//!
//! Only a change of the CPU mask or of the memory policy is a bind; a move by the scheduler is not
//! a mistake of the program. The records of binds do not have the nodes of a policy, so a bind
//! counts where the memory is used from another node than it lies on.

use std::cmp::Reverse;

use super::fix::{self, Fix, Place};
use super::{Diagnosis, Finding, NAMED, WORTH_REPORTING, away, memory, words};
use crate::ids::Tid;
use crate::model::matrix::share;
use crate::model::{Bind, BindWhat, Host, Mapping, Process, ProcessKind, Snapshot, Thread, number};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "touched-before-bind",
    check,
};

/// Mappings of a thread that are described.
const DESCRIBED: usize = 3;

/// Least CPU time of a process, ns, that says where its memory is used: 0.1 s.
const LONG: u64 = 100_000_000;

/// Least share of that time on one node.
const RAN: f64 = 0.6;

/// Memory that was touched before a bind, and is used from another node than it lies on.
#[derive(Clone, Copy, Debug)]
struct Rebound<'a> {
    /// The thread that touched it.
    toucher: Tid,
    /// The thread that was bound; of a policy for a range, the thread that called mbind(2).
    bound: Tid,
    /// Base pages that `toucher` had touched.
    pages: u64,
    /// Position of the node of these pages.
    from: usize,
    /// Position of the node that they are used from.
    to: usize,
    /// The change.
    bind: &'a Bind,
}

impl Rebound<'_> {
    /// Returns whether one finding tells both.
    fn is_like(&self, other: &Self) -> bool {
        let key = |one: &Self| {
            let range = one.bind.what == BindWhat::RangePolicy;
            (one.toucher, one.bound, one.from, one.to, range)
        };
        key(self) == key(other)
    }

    fn is_of_range(&self) -> bool {
        self.bind.what == BindWhat::RangePolicy
    }
}

/// Returns whether this finding is about the mapping.
pub fn concerns(snapshot: &Snapshot, process: &Process, mapping: &Mapping) -> bool {
    rebound(snapshot, process, mapping).is_some()
}

/// Returns the bind that came after the last touch of the thread that touched most of a mapping,
/// when the mapping is used from elsewhere now.
fn rebound<'a>(
    snapshot: &Snapshot,
    process: &'a Process,
    mapping: &Mapping,
) -> Option<Rebound<'a>> {
    let host = &snapshot.host;
    let touch = mapping.first_touch.as_ref()?.by_tid.first()?;
    let last_ns = touch.last_ns?;
    let from = mapping.home()?;
    let placed = mapping.touches()?.by_to().at(from).min(touch.pages);
    // Where most accesses come from the pages' own node, nothing is lost.
    if placed < WORTH_REPORTING || mapping.user() == Some(from) {
        return None;
    }
    let toucher = || {
        let threads = process.threads.iter();
        threads.filter(|thread| thread.tid == touch.tid)
    };
    let binds = |thread: &'a Thread| thread.binds.iter().map(move |bind| (thread, bind));
    let own = toucher().flat_map(binds);
    // A policy for a range is for all threads, whoever asks for it.
    let of_any = process.threads.iter().flat_map(binds);
    let of_any = of_any.filter(|(_, bind)| bind.what == BindWhat::RangePolicy);
    let mut late = own
        .chain(of_any)
        .filter(|(_, bind)| last_ns <= bind.time_ns);
    late.find_map(|(thread, bind)| {
        let to = match bind.what {
            BindWhat::RangePolicy => mapping.user().or_else(|| mostly_on(process)),
            _ => {
                let user = mapping.users.iter().find(|user| user.tid == touch.tid);
                memory::position(host, user.and_then(|user| user.node))
                    .or_else(|| toucher().next()?.run_ns.as_ref()?.most())
            }
        };
        Some(Rebound {
            toucher: touch.tid,
            bound: thread.tid,
            pages: covered(host, bind, mapping)?.min(placed),
            from,
            to: to.filter(|to| *to != from)?,
            bind,
        })
    })
}

/// Returns the base pages of the mapping that the bind applies to; `None` when they are few.
fn covered(host: &Host, bind: &Bind, mapping: &Mapping) -> Option<u64> {
    let [low, high] = bind.range.unwrap_or([mapping.start, mapping.end]);
    let (low, high) = (low.max(mapping.start), high.min(mapping.end));
    let pages = high.0.saturating_sub(low.0).checked_div(host.page_size)?;
    (pages >= WORTH_REPORTING).then_some(pages)
}

/// Returns the position of the node that a process ran on for the most part.
fn mostly_on(process: &Process) -> Option<usize> {
    let ran = process.run_ns.as_ref()?;
    let most = ran.most().filter(|_| ran.total() >= LONG)?;
    (share(ran.at(most), ran.total())? >= RAN).then_some(most)
}

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let mut concerned: Vec<(&Process, &Mapping, Rebound<'_>)> = snapshot
        .processes
        .iter()
        .filter(|process| process.kind == ProcessKind::User)
        .flat_map(|process| {
            process.mappings.iter().filter_map(move |mapping| {
                Some((process, mapping, rebound(snapshot, process, mapping)?))
            })
        })
        .collect();
    concerned.sort_by_key(|(process, _, rebound)| (Reverse(rebound.pages), process.pid));
    // One finding for all mappings that a thread left behind, the largest first.
    let mut threads: Vec<(&Process, Vec<&Mapping>, Rebound<'_>)> = Vec::new();
    for (process, mapping, rebound) in concerned {
        let same = threads
            .iter_mut()
            .find(|(of, _, first)| of.pid == process.pid && first.is_like(&rebound));
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
    let who = words::process(process);
    let (toucher, bound) = (
        memory::threads(process, &[rebound.toucher]),
        memory::threads(process, &[rebound.bound]),
    );
    let after = number::brief(rebound.bind.after_ns);
    let mut evidence = vec![if rebound.is_of_range() {
        format!(
            "{bound} called mbind(2) {after} after it started, when the memory was already placed; \
             without MPOL_MF_MOVE pages stay where they are"
        )
    } else {
        format!(
            "{bound} was bound by {} {after} after it started, when its memory was already placed",
            rebound.bind.what.name()
        )
    }];
    for mapping in mappings.iter().take(DESCRIBED) {
        evidence.push(memory::placed(host, process, mapping));
        evidence.extend(memory::used(host, process, mapping));
        evidence.extend(memory::from_stack(snapshot, mapping));
    }
    evidence.extend(memory::others(host, mappings.get(DESCRIBED..)));
    if mappings.iter().any(|mapping| mapping.user().is_none()) {
        evidence.extend(ran(host, process, rebound));
    }
    let nodes = (rebound.from, rebound.to);
    let followed = memory::followed(mappings, nodes).min(rebound.pages);
    if followed > 0 {
        evidence.push(format!(
            "{} MiB of it have since moved to {here}",
            number::mib(Some(followed), host.page_size)
        ));
    }
    let rest = memory::moving(host, process, mappings, nodes, rebound.pages);
    let (title, mut fixes) = if rebound.is_of_range() {
        let use_them = if memory::is_over(rebound.pages, followed) {
            "were used"
        } else {
            "are used"
        };
        (
            format!(
                "{who} touched {mib} MiB on {there} before mbind(2) by {bound}, which moved none \
                 of them, and they {use_them} from {here}"
            ),
            vec![
                Fix::program(
                    process,
                    "call mbind(2) before the memory is touched, or with MPOL_MF_MOVE, which moves \
                     the pages that are there",
                )
                .expecting(format!("this memory is on {here}")),
            ],
        )
    } else {
        (
            format!("{toucher} of {who} touched {mib} MiB on {there} and was then bound to {here}"),
            // The own bind, which comes later, is to the same node.
            [Fix::program(process, "bind before touching memory")
                .expecting(format!("this memory is on {here}"))]
            .into_iter()
            .chain(fix::run(
                snapshot,
                Some(process),
                &Place::on([rebound.to]),
                "bind from outside",
            ))
            .collect(),
        )
    };
    fixes.extend(rest);
    Finding::new(
        DIAGNOSIS.id,
        away::severity(snapshot, process),
        Some(process.pid),
        title,
        evidence,
        fixes,
    )
}

/// Says what stands in for sampled accesses: where the bound thread ran, or the process.
fn ran(host: &Host, process: &Process, rebound: Rebound<'_>) -> Option<String> {
    let thread = process
        .threads
        .iter()
        .find(|thread| thread.tid == rebound.toucher);
    let (who, run) = if rebound.is_of_range() {
        ("the process".to_owned(), process.run_ns.as_ref()?)
    } else {
        (
            memory::threads(process, &[rebound.toucher]),
            thread?.run_ns.as_ref()?,
        )
    };
    Some(format!(
        "no sampled accesses: {who} ran {} of its CPU time on {}",
        number::percent_sign(share(run.at(rebound.to), run.total())),
        words::nodes(host, [rebound.to])
    ))
}
