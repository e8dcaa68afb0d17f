//! `bound-node-full`: a process may take memory from some nodes only, they ran out, and other nodes
//! had room: it waited in direct reclaim, or was killed.

use super::fix::{self, Fix, FixKind, Memory, Place};
use super::{Diagnosis, Finding, NAMED, Severity, words};
use crate::{
    ids::NodeId,
    model::{
        Process, ProcessKind, Snapshot,
        failure::{Confined, Constraint, FreeMemory, OomKill, Reclaims, sentence},
        number,
    },
};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "bound-node-full",
    check,
};

/// Fewer searches for memory than this are the ordinary breathing of a node that is nearly full.
const SEARCHES: u64 = 10;

/// They count from this share of the session's time on, in ns of it: 1 %.
const SHARE: u64 = 100;

/// `critical` from this share on: 10 %.
const MUCH: u64 = 10;

/// Free memory of the other nodes below which they had no room either: 16 MiB, about what the
/// kernel keeps back on a small node.
const ROOM_KB: u64 = 16 << 10;

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let programs = snapshot.processes.iter();
    let programs = programs.filter(|process| process.kind == ProcessKind::User);
    let mut findings: Vec<(u64, Finding)> = programs
        .filter_map(|process| finding(snapshot, process))
        .collect();
    findings.sort_by_key(|(weight, finding)| (finding.severity, u64::MAX - weight));
    let findings = findings.into_iter().map(|(_, finding)| finding);
    findings.take(NAMED).collect()
}

/// Finding about a process, and the time that it lost (most for one that was killed).
fn finding(snapshot: &Snapshot, process: &Process) -> Option<(u64, Finding)> {
    let failures = process.failures.as_ref()?;
    let kill = failures.oom_kills.iter().flatten();
    let kill = kill
        .filter(|kill| kill.constraint.is_some_and(Constraint::is_of_nodes))
        .find(|kill| kill.pid == process.pid);
    let reclaims = failures.reclaim.as_ref();
    let searches = reclaims.and_then(|reclaims| searches(snapshot, reclaims));
    let (bound, by) = match (kill, searches) {
        (Some(kill), _) => (kill.nodes.clone(), kill.constraint?),
        (None, Some(part)) => (vec![part.node], part.by),
        (None, None) => return None,
    };
    let free = match kill {
        Some(kill) => kill.free.as_deref(),
        None => reclaims.and_then(|reclaims| reclaims.free.as_deref()),
    };
    let elsewhere = elsewhere(&bound, free);
    // Where no other node is known to have room, it is not the binding that hurts.
    if kill.is_none() && elsewhere.is_none() {
        return None;
    }
    let (harm, severity, weight) = match (kill, searches) {
        (Some(kill), _) => (harmed(kill), Severity::Critical, u64::MAX),
        (None, Some(part)) => {
            let much = part.ns.saturating_mul(MUCH) >= session_ns(snapshot);
            let harm = format!(
                "{} direct reclaims took {}",
                number::grouped(part.count),
                number::brief(part.ns)
            );
            let severity = if much {
                Severity::Critical
            } else {
                Severity::Warning
            };
            (harm, severity, part.ns)
        }
        (None, None) => return None,
    };
    let several = searches.is_some_and(|part| part.several) && kill.is_none();
    let finding = Finding::new(
        DIAGNOSIS.id,
        severity,
        Some(process.pid),
        format!(
            "{} {} bound to {}{}, which ran out: {harm}{}",
            words::process(process),
            if kill.is_some() { "was" } else { "is" },
            sentence::nodes(&bound),
            if several { " and others" } else { "" },
            elsewhere.as_ref().map_or_else(String::new, |(node, kb)| {
                format!(", while node {node} had {} free", sentence::mib(*kb))
            }),
        ),
        evidence(snapshot, kill, reclaims),
        fixes(snapshot, process, &bound, by),
    );
    Some((weight, finding))
}

/// The searches of a process that were confined to nodes, when they are worth a sentence.
fn searches(snapshot: &Snapshot, reclaims: &Reclaims) -> Option<Confined> {
    let most = reclaims.confined.iter().max_by_key(|part| part.ns)?;
    let costly = most.ns.saturating_mul(SHARE) >= session_ns(snapshot);
    (most.count >= SEARCHES && costly).then_some(*most)
}

/// The time of the session in ns.
fn session_ns(snapshot: &Snapshot) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturating, and a session has no 2^64 ns"
    )]
    let ns = (snapshot.session.duration_s * 1e9) as u64;
    ns
}

fn harmed(kill: &OomKill) -> String {
    let limit = match kill.constraint {
        Some(Constraint::Cpuset) => "because its cpuset allows no other",
        _ => "under its memory policy",
    };
    if kill.asked_by == kill.pid {
        format!("it was OOM-killed {limit}")
    } else {
        format!(
            "it was OOM-killed for an allocation of process {}",
            kill.asked_by
        )
    }
}

/// The node with most free memory among those that were not allowed, when that is much.
fn elsewhere(bound: &[NodeId], free: Option<&[FreeMemory]>) -> Option<(NodeId, u64)> {
    let others = free?.iter().filter(|free| !bound.contains(&free.node));
    let most = others.max_by_key(|free| free.kb)?;
    (most.kb >= ROOM_KB).then_some((most.node, most.kb))
}

fn evidence(
    snapshot: &Snapshot,
    kill: Option<&OomKill>,
    reclaims: Option<&Reclaims>,
) -> Vec<String> {
    let mut evidence = Vec::new();
    if let Some(kill) = kill {
        evidence.push(format!(
            "{} {}",
            sentence::killed(kill),
            sentence::moment(snapshot, kill.at_ns)
        ));
        if let Some(free) = &kill.free {
            evidence.push(format!("free at that moment: {}", sentence::free(free)));
        }
    }
    if let Some(reclaims) = reclaims {
        evidence.extend(sentence::reclaims(reclaims, snapshot.host.page_size));
        if let Some(free) = reclaims.free.as_ref().filter(|_| kill.is_none()) {
            evidence.push(format!("least free meanwhile: {}", sentence::free(free)));
        }
    }
    evidence
}

fn fixes(snapshot: &Snapshot, process: &Process, bound: &[NodeId], by: Constraint) -> Vec<Fix> {
    let host = &snapshot.host;
    let look = Fix::look(
        sentence::nodes(bound),
        format!("to see what fills {}", sentence::nodes(bound)),
        "numatrace stat -m",
    );
    if by == Constraint::Cpuset {
        let all = words::node_list(host, words::ordinary(host));
        let set = format!("give its cpuset another node (cpuset.mems={all})");
        let mut fixes: Vec<Fix> = match fix::widen(snapshot, process) {
            Some(widen) => vec![widen],
            None => vec![
                Fix::advice(FixKind::Machine, words::process(process), set)
                    .expecting("it takes memory from all nodes"),
            ],
        };
        let less = format!(
            "let it take less memory than {} has",
            sentence::nodes(bound)
        );
        fixes.push(Fix::program(process, less));
        fixes.push(look);
        return fixes;
    }
    let spill = bound.first().and_then(|node| host.position(*node));
    let spill = spill.map(|first| Place::memory(Memory::Preferred(first)));
    let spread = Place::memory(Memory::Interleave(words::ordinary(host)));
    let choices: Vec<(&Place, &str)> = spill
        .iter()
        .map(|spill| (spill, "let it spill over when the node is full"))
        .chain([(&spread, "spread it")])
        .collect();
    let mut fixes = fix::starts(snapshot, process, &choices);
    fixes.push(look);
    fixes
}
