//! `hugetlb-pool-empty`: a huge page was wanted from a pool that had none. mmap(2) reserves from
//! all pools together, so a program that is bound to one node learns it by SIGBUS.

use super::fix::{self, Fix, FixKind, Memory, Place};
use super::{Diagnosis, Finding, NAMED, Severity, words};
use crate::model::{
    PolicyMode, Process, ProcessKind, Snapshot,
    failure::{HugetlbFailed, Pool, Request, sentence},
    number,
};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "hugetlb-pool-empty",
    check,
};

/// Functions that are named, from the one that failed outwards.
const FUNCTIONS: usize = 3;

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let programs = snapshot.processes.iter();
    let programs = programs.filter(|process| process.kind == ProcessKind::User);
    let failed = programs.flat_map(|process| {
        let failures = process.failures.as_ref();
        let failed = failures.and_then(|failures| failures.hugetlb.as_deref());
        parts(failed.unwrap_or_default())
            .into_iter()
            .map(move |part| (process, part))
    });
    failed
        .take(NAMED)
        .map(|(process, part)| finding(snapshot, process, &part))
        .collect()
}

/// Requests that differ in their stacks only are one.
fn parts(failed: &[HugetlbFailed]) -> Vec<HugetlbFailed> {
    let mut parts: Vec<HugetlbFailed> = Vec::new();
    for one in failed {
        let alike = |part: &&mut HugetlbFailed| {
            (part.request, &part.errno, part.page_kb, &part.nodes)
                == (one.request, &one.errno, one.page_kb, &one.nodes)
        };
        match parts.iter_mut().find(alike) {
            Some(part) => {
                part.mapping_pages = part.mapping_pages.max(one.mapping_pages);
                part.count = part.count.saturating_add(one.count);
                part.pages = part.pages.saturating_add(one.pages);
            }
            None => parts.push(one.clone()),
        }
    }
    parts
}

fn finding(snapshot: &Snapshot, process: &Process, failed: &HugetlbFailed) -> Finding {
    let who = words::process(process);
    let pool = format!(
        "{} {}",
        number::page_size(failed.page_kb),
        sentence::pool(failed)
    );
    // In the past: the pool may have been filled since, and the evidence says what it has.
    let verb = if failed.nodes.len() == 1 {
        "was"
    } else {
        "were"
    };
    let spare = spare(failed);
    let beside = spare.map_or_else(String::new, |pool| {
        format!(
            "; node {} had {} free",
            pool.node,
            number::grouped(pool.free)
        )
    });
    let plural = |noun: &str| {
        let s = if failed.count == 1 { "" } else { "s" };
        format!("{} {noun}{s}", number::grouped(failed.count))
    };
    let title = match failed.request {
        Some(Request::Fault) if failed.had_free() > 0 => format!(
            "{pool} had {} free, but {} of {who} failed (SIGBUS)",
            number::grouped(failed.had_free()),
            plural("fault")
        ),
        Some(Request::Fault) => format!(
            "{pool} {verb} empty: {} of {who} failed (SIGBUS){beside}",
            plural("fault")
        ),
        Some(Request::Reserve) => format!(
            "{pool} had too few pages: {} of {who} failed ({}){beside}",
            plural("mapping"),
            failed.errno
        ),
        _ => format!(
            "{pool} {verb} empty: {} of {who} failed ({}){beside}",
            plural("request"),
            failed.errno
        ),
    };
    let severity = if failed.request == Some(Request::Fault) {
        Severity::Critical
    } else {
        Severity::Warning
    };
    Finding::new(
        DIAGNOSIS.id,
        severity,
        Some(process.pid),
        title,
        evidence(snapshot, failed),
        fixes(snapshot, process, failed, spare),
    )
}

/// The pool with most free pages among those that were not allowed.
fn spare(failed: &HugetlbFailed) -> Option<Pool> {
    if failed.nodes.is_empty() {
        return None;
    }
    let others = failed.pools.iter();
    let others = others.filter(|pool| pool.free > 0 && !failed.nodes.contains(&pool.node));
    others.max_by_key(|pool| pool.free).copied()
}

fn evidence(snapshot: &Snapshot, failed: &HugetlbFailed) -> Vec<String> {
    let mut evidence = vec![format!(
        "{}; the first {}",
        sentence::hugetlb(failed),
        sentence::moment(snapshot, failed.at_ns)
    )];
    match failed.policy {
        Some(mode) if !failed.nodes.is_empty() => evidence.push(format!(
            "memory policy: {}, {}; the thread ran on node {}",
            mode.in_words(),
            sentence::nodes(&failed.nodes),
            failed.cpu_node
        )),
        Some(mode) => evidence.push(format!("memory policy: {}", mode.in_words())),
        None if !failed.nodes.is_empty() => evidence.push(format!(
            "its cpuset allows {} only",
            sentence::nodes(&failed.nodes)
        )),
        None => {}
    }
    if !failed.pools.is_empty() {
        let pools = failed.pools.iter();
        let pools: Vec<String> = pools
            .map(|pool| format!("node {} {} of {}", pool.node, pool.free, pool.total))
            .collect();
        let when = if failed.pools_read_late {
            "when that was looked up"
        } else {
            "at that moment"
        };
        evidence.push(format!("free {when}: {}", pools.join(", ")));
    }
    let mut stacks = snapshot.stacks.iter();
    let stack = stacks.find(|stack| Some(stack.id) == failed.stack);
    if let Some(functions) = stack.and_then(|stack| stack.functions(FUNCTIONS)) {
        evidence.push(format!("in {functions}"));
    }
    evidence
}

fn fixes(
    snapshot: &Snapshot,
    process: &Process,
    failed: &HugetlbFailed,
    spare: Option<Pool>,
) -> Vec<Fix> {
    if failed.had_free() > 0 {
        return vec![limited(process, failed)];
    }
    let mut fixes = vec![fill(failed)];
    let Some(spare) = spare.filter(|_| failed.policy == Some(PolicyMode::Bind)) else {
        return fixes;
    };
    let host = &snapshot.host;
    let text = format!("take those of node {}", spare.node);
    let there = host.position(spare.node).map(|there| Place::on([there]));
    let first = failed.nodes.first().and_then(|node| host.position(*node));
    let first = first.map(|first| Place::memory(Memory::Preferred(first)));
    let choices: Vec<(&Place, &str)> = there
        .iter()
        .map(|there| (there, text.as_str()))
        .chain(
            first
                .iter()
                .map(|first| (first, "let it take them from any node")),
        )
        .collect();
    fixes.extend(fix::starts(snapshot, process, &choices));
    fixes
}

/// Returns the fix for pages that are there and not to be had.
fn limited(process: &Process, failed: &HugetlbFailed) -> Fix {
    let size = number::page_size(failed.page_kb)
        .replace(' ', "")
        .replace("iB", "B");
    let group = process.cgroup.as_ref().map_or_else(
        || "its cgroup".to_owned(),
        |group| format!("its cgroup ({})", group.to_utf8()),
    );
    Fix::advice(
        FixKind::Machine,
        words::process(process),
        format!(
            "free pages that are not given are kept from it: look at hugetlb.{size}.max of \
             {group}, and at pages that others have reserved (resv_hugepages)"
        ),
    )
    .expecting("its faults get the pages that are free")
}

/// Returns the fix that makes the pool larger by the pages of the mapping, or by those that were
/// wanted where the mapping is not known.
fn fill(failed: &HugetlbFailed) -> Fix {
    let pages = format!("hugepages/hugepages-{}kB/nr_hugepages", failed.page_kb);
    let file = match failed.nodes.first() {
        Some(node) => format!("/sys/devices/system/node/node{node}/{pages}"),
        None => format!("/sys/kernel/mm/{pages}"),
    };
    let of = |pool: &&Pool| failed.nodes.first().is_none_or(|node| pool.node == *node);
    let now: u64 = failed.pools.iter().filter(of).map(|pool| pool.total).sum();
    let is_known = failed.pools.iter().any(|pool| of(&pool));
    let wanted = if is_known {
        let pages = failed.mapping_pages.unwrap_or(0).max(failed.pages);
        now.saturating_add(pages.max(1)).to_string()
    } else {
        "PAGES".to_owned()
    };
    Fix::advice(FixKind::Sysctl, file.as_str(), "give the pool more pages")
        .with(format!("echo {wanted} > {file}"))
        .expecting("the pool has pages, as far as the node has free memory in one piece")
}
