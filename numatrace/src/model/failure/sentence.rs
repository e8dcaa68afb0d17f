//! Failures in sentences, for findings and for the text report.

use super::{
    Constraint, FreeMemory, HugetlbFailed, OomKill, PolicyCall, Reclaims, Refused, Request,
};
use crate::{
    ids::{NodeId, Pid, ranges},
    model::{Frame, Name, Snapshot, number},
};

/// `node 1`, `nodes 0-1`.
#[must_use]
pub fn nodes(nodes: &[NodeId]) -> String {
    let noun = if nodes.len() == 1 { "node" } else { "nodes" };
    format!("{noun} {}", node_list(nodes))
}

/// The nodes in the list syntax of numactl.
#[must_use]
pub fn node_list(nodes: &[NodeId]) -> String {
    let mut numbers: Vec<u32> = nodes.iter().map(|node| u32::from(node.0)).collect();
    numbers.sort_unstable();
    ranges(numbers)
}

/// `11.2 MiB`.
#[must_use]
pub fn mib(kb: u64) -> String {
    format!("{} MiB", number::mib(Some(kb), 1024))
}

/// `node 0 11.2 MiB, node 1 480.0 MiB`.
#[must_use]
pub fn free(free: &[FreeMemory]) -> String {
    let parts = free.iter();
    let parts: Vec<String> = parts
        .map(|part| format!("node {} {}", part.node, mib(part.kb)))
        .collect();
    parts.join(", ")
}

/// `app (4242)`, by the report's processes; the number alone for a process that is not there.
#[must_use]
pub fn process(snapshot: &Snapshot, pid: Pid) -> String {
    let mut processes = snapshot.processes.iter();
    match processes.find(|process| process.pid == pid) {
        Some(process) => format!("{} ({pid})", process.comm.to_utf8()),
        None => format!("process {pid}"),
    }
}

/// `once`, `3 times`.
#[must_use]
pub fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        count => format!("{} times", number::grouped(count)),
    }
}

/// A time of the session: "0.21 s after the session began".
#[must_use]
pub fn moment(snapshot: &Snapshot, at_ns: u64) -> String {
    let began_ns = snapshot.session.began_ns.unwrap_or(at_ns);
    let after = at_ns.saturating_sub(began_ns);
    format!("{} after the session began", number::brief(after))
}

/// The end of a process that was killed, without its name: "killed under its memory policy (node
/// 0)".
#[must_use]
pub fn killed(kill: &OomKill) -> String {
    let whose = if kill.asked_by == kill.pid {
        String::new()
    } else {
        format!(", for an allocation of process {}", kill.asked_by)
    };
    let limit = match kill.constraint {
        Some(constraint) => constraint.in_words(),
        None => "for its memory; the limit is not known",
    };
    let nodes = match kill.nodes.as_slice() {
        [] => String::new(),
        some => format!(" ({})", nodes(some)),
    };
    format!("killed {limit}{nodes}{whose}")
}

/// A request for huge pages, without whose it is: "3 faults found the 2 MiB pool of node 1 empty
/// (SIGBUS)".
#[must_use]
pub fn hugetlb(failed: &HugetlbFailed) -> String {
    let size = number::page_size(failed.page_kb);
    let pool = pool(failed);
    let requests = |noun: &str| {
        let s = if failed.count == 1 { "" } else { "s" };
        format!("{} {noun}{s}", number::grouped(failed.count))
    };
    match failed.request {
        Some(Request::Fault) if failed.had_free() > 0 => format!(
            "{} got no page of the {size} {pool}, which had {} free (SIGBUS)",
            requests("fault"),
            number::grouped(failed.had_free())
        ),
        Some(Request::Fault) => {
            format!(
                "{} found the {size} {pool} empty (SIGBUS)",
                requests("fault")
            )
        }
        Some(Request::Reserve) => format!(
            "{} of {} huge pages were refused ({}): the {size} {pool} had too few free",
            requests("mapping"),
            number::grouped(failed.pages),
            failed.errno,
        ),
        _ => format!(
            "{} to the {size} {pool} failed ({})",
            requests("request"),
            failed.errno
        ),
    }
}

/// `pool of node 1`, `pools of all nodes`.
#[must_use]
pub fn pool(failed: &HugetlbFailed) -> String {
    match failed.nodes.as_slice() {
        [] => "pools of all nodes".to_owned(),
        [node] => format!("pool of node {node}"),
        some => format!("pools of {}", nodes(some)),
    }
}

/// A refused call, without whose it is: "mbind was refused 3 times: EINVAL (address not
/// page-aligned), from bind_range (main.c:70)".
#[must_use]
pub fn refused(snapshot: &Snapshot, refused: &Refused) -> String {
    let why = match &refused.why {
        Some(why) => format!(" ({why})"),
        None => String::new(),
    };
    let from = match caller(snapshot, refused.stack) {
        Some(function) => format!(", from {function}"),
        None => String::new(),
    };
    format!(
        "{} was refused {}: {}{why}{from}",
        call(refused),
        times(refused.count),
        refused.errno
    )
}

/// The name of a refused call.
#[must_use]
pub fn call(refused: &Refused) -> &'static str {
    refused.call.map_or("a call", PolicyCall::name)
}

/// Arguments of a refused call: "address 0x7f0000000001, node 0".
#[must_use]
pub fn arguments(refused: &Refused) -> Option<String> {
    let mut parts = Vec::new();
    if let Some(address) = refused.address {
        parts.push(format!("address {:#x}", address.0));
    }
    if !refused.nodes.is_empty() {
        parts.push(nodes(&refused.nodes));
    }
    if let Some(cpus) = refused.cpus.as_ref().filter(|cpus| !cpus.is_empty()) {
        parts.push(format!("CPUs {cpus}"));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The program's own function that made a system call: `init (matrix.c:41)`. Wrappers of libraries
/// are passed over.
#[must_use]
pub fn caller(snapshot: &Snapshot, stack: Option<u32>) -> Option<String> {
    let id = stack?;
    let stack = snapshot.stacks.iter().find(|stack| stack.id == id)?;
    let named = |frame: &&Frame| frame.symbol.as_ref().is_some_and(|name| !is_wrapper(name));
    let frame = stack.frames.iter().find(named)?;
    let symbol = frame.symbol.as_ref()?.to_utf8();
    Some(match &frame.line {
        Some(line) => format!("{symbol} ({})", line.to_utf8()),
        None => symbol.into_owned(),
    })
}

/// Functions of C libraries and libnuma that only pass a call on, and of the kernel's allocator.
fn is_wrapper(name: &Name) -> bool {
    let name = name.to_utf8();
    let name = name.trim_start_matches('_');
    let calls = [
        PolicyCall::Mbind,
        PolicyCall::SetMempolicy,
        PolicyCall::SetMempolicyHomeNode,
        PolicyCall::MovePages,
        PolicyCall::MigratePages,
        PolicyCall::SchedSetaffinity,
    ];
    calls.iter().any(|call| call.name() == name)
        || name.starts_with("numa_")
        || matches!(name, "pthread_setaffinity_np" | "set_self")
        // glibc's `syscall`; musl's `__syscall6`, `__syscall_cp`, `__syscall_ret`.
        || name.starts_with("syscall")
        || [
            "alloc_pages",
            "alloc_frozen_pages",
            "folio_alloc",
            "vma_alloc_folio",
            "warn_alloc",
        ]
        .iter()
        .any(|allocator| name.starts_with(allocator))
        || name == "cpuset_print_current_mems_allowed"
}

/// Searches for memory: "1,234 direct reclaims took 3.40 s and found 48.2 MiB".
#[must_use]
pub fn reclaims(reclaims: &Reclaims, page_size: u64) -> Vec<String> {
    let parts = [
        (reclaims.direct, "direct reclaim", true),
        (reclaims.node_reclaim, "reclaim of one node", true),
        (reclaims.compaction, "direct compaction", false),
    ];
    let mut sentences = Vec::new();
    for (part, noun, brings) in parts.into_iter().filter(|(part, ..)| part.count > 0) {
        let noun = if part.count == 1 {
            noun.to_owned()
        } else {
            noun.replacen("reclaim", "reclaims", 1)
                .replacen("compaction", "compactions", 1)
        };
        let found = if brings {
            format!(
                " and found {} MiB",
                number::mib(Some(part.pages), page_size)
            )
        } else {
            String::new()
        };
        sentences.push(format!(
            "{} {noun} took {}{found}",
            number::grouped(part.count),
            number::brief(part.ns)
        ));
    }
    for part in &reclaims.confined {
        let more = if part.several { " and others" } else { "" };
        let by = match part.by {
            Constraint::Cpuset => "its cpuset",
            _ => "a memory policy",
        };
        sentences.push(format!(
            "{} of the direct reclaims {} confined to node {}{more} by {by} and took {}",
            number::grouped(part.count),
            if part.count == 1 { "was" } else { "were" },
            part.node,
            number::brief(part.ns)
        ));
    }
    sentences
}
