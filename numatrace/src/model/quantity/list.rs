//! The list of quantities: name, header, meaning, unit, and how each is read.

use super::{Good, Measured, Measures, Of, Quantity, Unit};

const EVERYWHERE: &[Of] = &[Of::Node, Of::Process];
const PROCESS: &[Of] = &[Of::Process];
const MACHINE: &[Of] = &[];

/// A quantity that counts events.
macro_rules! count {
    ($name:ident, $header:literal, $what:literal, $unit:ident, $good:ident, $of:expr) => {
        Quantity {
            name: stringify!($name),
            header: $header,
            what: $what,
            unit: Unit::$unit,
            good: Good::$good,
            grows: true,
            of: $of,
            read: |measures| measures.$name.map(Measured::Count),
        }
    };
}

/// A quantity that describes the state at the end of a session.
macro_rules! state {
    ($name:ident, $header:literal, $what:literal, $unit:ident, $good:ident, $of:expr) => {
        Quantity {
            name: stringify!($name),
            header: $header,
            what: $what,
            unit: Unit::$unit,
            good: Good::$good,
            grows: false,
            of: $of,
            read: |measures| measures.$name.map(Measured::State),
        }
    };
}

/// A quantity that is a share of counted events.
const fn share(
    name: &'static str,
    header: &'static str,
    what: &'static str,
    good: Good,
    of: &'static [Of],
    read: fn(&Measures) -> Option<Measured>,
) -> Quantity {
    Quantity {
        name,
        header,
        what,
        unit: Unit::Share,
        good,
        grows: false,
        of,
        read,
    }
}

fn part(part: Option<u64>, whole: Option<u64>) -> Option<Measured> {
    let (part, whole) = (part?, whole?);
    // Reports come from outside: a part must not exceed its whole.
    Some(Measured::Share {
        part: part.min(whole),
        whole,
    })
}

/// All quantities, in the order of every list.
pub const ALL: &[Quantity] = &[
    share(
        "local_share",
        "local %",
        "share of allocations with a page on the node of the allocating CPU",
        Good::More,
        EVERYWHERE,
        |m| part(m.local_node, m.allocations()),
    ),
    share(
        "remote_share",
        "remote %",
        "share of allocations with a page on a different node from the allocating CPU",
        Good::Less,
        EVERYWHERE,
        |m| part(m.other_node, m.allocations()),
    ),
    share(
        "miss_share",
        "missed %",
        "share of allocations that the preferred node could not satisfy",
        Good::Less,
        EVERYWHERE,
        |m| part(m.numa_miss, m.allocations()),
    ),
    share(
        "foreign_share",
        "foreign %",
        "share of the requests for a node that other nodes satisfied",
        Good::Less,
        EVERYWHERE,
        |m| {
            let wanted = m.numa_hit?.saturating_add(m.numa_foreign?);
            part(m.numa_foreign, Some(wanted))
        },
    ),
    Quantity {
        name: "allocations",
        header: "allocs",
        what: "requests satisfied by the page allocator, of any order (numastat's unit)",
        unit: Unit::Allocations,
        good: Good::Neither,
        grows: true,
        of: EVERYWHERE,
        read: |m| m.allocations().map(Measured::Count),
    },
    count!(
        numa_hit,
        "hit",
        "allocations that got the node they preferred (numa_hit)",
        Allocations,
        Neither,
        EVERYWHERE
    ),
    count!(
        numa_miss,
        "missed",
        "allocations whose preferred node had no page to give (numa_miss)",
        Allocations,
        Less,
        EVERYWHERE
    ),
    count!(
        numa_foreign,
        "foreign",
        "requests for a node that other nodes satisfied (numa_foreign)",
        Allocations,
        Less,
        EVERYWHERE
    ),
    count!(
        interleave_hit,
        "interleaved",
        "interleaved allocations that got the intended node (interleave_hit)",
        Allocations,
        Neither,
        EVERYWHERE
    ),
    count!(
        local_node,
        "local",
        "allocations with a page on the node of the allocating CPU (local_node)",
        Allocations,
        Neither,
        EVERYWHERE
    ),
    count!(
        other_node,
        "remote",
        "allocations with a page on a different node from the allocating CPU (other_node)",
        Allocations,
        Less,
        EVERYWHERE
    ),
    count!(
        pages,
        "allocated",
        "base pages of the allocations",
        Pages,
        Neither,
        EVERYWHERE
    ),
    count!(
        remote_by_policy,
        "remote by policy",
        "remote or missed because a memory policy chose the node",
        Allocations,
        Neither,
        PROCESS
    ),
    count!(
        remote_by_fallback,
        "remote by full node",
        "remote or missed because the preferred node had no page",
        Allocations,
        Less,
        PROCESS
    ),
    count!(
        remote_by_cpuset,
        "remote by cpuset",
        "remote or missed because the cpuset excludes the CPU's node",
        Allocations,
        Less,
        PROCESS
    ),
    count!(
        remote_by_memoryless,
        "remote by memoryless node",
        "remote or missed because the CPU's node has no memory",
        Allocations,
        Less,
        PROCESS
    ),
    count!(
        remote_by_kernel_node,
        "remote by kernel",
        "remote or missed because kernel code asked for the node",
        Allocations,
        Neither,
        PROCESS
    ),
    count!(
        remote_by_task_moved,
        "remote by task move",
        "remote or missed because the task changed CPU meanwhile",
        Allocations,
        Less,
        PROCESS
    ),
    count!(
        first_touch_pages,
        "touched",
        "user pages faulted in; of a node: placed there",
        Pages,
        Neither,
        EVERYWHERE
    ),
    count!(
        remote_first_touch_pages,
        "remote touch",
        "user pages placed on a different node from the faulting CPU",
        Pages,
        Less,
        EVERYWHERE
    ),
    share(
        "remote_first_touch_share",
        "remote touch %",
        "share of touched pages placed on a different node from the faulting CPU",
        Good::Less,
        EVERYWHERE,
        |m| part(m.remote_first_touch_pages, m.first_touch_pages),
    ),
    state!(
        surprise_pages,
        "used remotely",
        "pages whose users run on a different node from the page",
        Pages,
        Less,
        EVERYWHERE
    ),
    share(
        "surprise_share",
        "used remotely %",
        "share of known pages whose users run on a different node from the page",
        Good::Less,
        EVERYWHERE,
        |m| {
            let whole = m.first_touch_pages?.max(m.surprise_pages?);
            part(m.surprise_pages, Some(whole))
        },
    ),
    count!(
        hint_faults,
        "hint faults",
        "NUMA hinting faults, the kernel's sample of accesses; of a node: to its pages",
        Faults,
        Neither,
        EVERYWHERE
    ),
    count!(
        remote_hint_faults,
        "remote access",
        "sampled accesses to a page on a different node",
        Faults,
        Less,
        EVERYWHERE
    ),
    share(
        "local_access_share",
        "local access %",
        "share of sampled accesses to a page on the accessing CPU's node",
        Good::More,
        EVERYWHERE,
        |m| {
            let local = m.hint_faults?.checked_sub(m.remote_hint_faults?);
            part(local, m.hint_faults)
        },
    ),
    share(
        "remote_access_share",
        "remote access %",
        "share of sampled accesses to a page on a different node",
        Good::Less,
        EVERYWHERE,
        |m| part(m.remote_hint_faults, m.hint_faults),
    ),
    count!(
        migrated_pages,
        "moved",
        "pages migrated to a different node; of a node: that arrived there",
        Pages,
        Less,
        EVERYWHERE
    ),
    count!(
        failed_migrations,
        "not moved",
        "pages that could not be migrated",
        Pages,
        Less,
        PROCESS
    ),
    count!(
        task_moves,
        "CPU moves",
        "moves of threads between CPUs",
        Moves,
        Neither,
        PROCESS
    ),
    count!(
        cross_llc_moves,
        "LLC moves",
        "moves of threads between the last-level caches of a node that has several",
        Moves,
        Less,
        PROCESS
    ),
    count!(
        cross_node_moves,
        "node moves",
        "moves of threads between nodes; of a node: that arrived there",
        Moves,
        Less,
        EVERYWHERE
    ),
    count!(
        ping_pong,
        "ping-pong",
        "moves of a thread to a different node and straight back",
        Moves,
        Less,
        PROCESS
    ),
    Quantity {
        name: "run_s",
        header: "CPU s",
        what: "CPU time; of a node: spent there",
        unit: Unit::Seconds,
        good: Good::Neither,
        grows: true,
        of: EVERYWHERE,
        read: |m| m.run_ns.map(Measured::Time),
    },
    Quantity {
        name: "away_s",
        header: "CPU away s",
        what: "CPU time away from the node with most of the process's memory",
        unit: Unit::Seconds,
        good: Good::Less,
        grows: true,
        of: PROCESS,
        read: |m| m.away_ns.map(Measured::Time),
    },
    share(
        "away_share",
        "CPU away %",
        "share of CPU time away from the node with most of the process's memory",
        Good::Less,
        PROCESS,
        |m| {
            let whole = m.run_ns?;
            Some(Measured::TimeShare {
                part: m.away_ns?.min(whole),
                whole,
            })
        },
    ),
    share(
        "placement_mismatch",
        "mismatch %",
        "half the sum over nodes of the difference between the share of CPU time and the share of \
         resident memory, without files; of several processes the mean by CPU time",
        Good::Less,
        PROCESS,
        |m| {
            Some(Measured::TimeShare {
                part: m.misplaced_ns?,
                whole: m.placed_ns?,
            })
        },
    ),
    state!(
        findings,
        "findings",
        "findings that are warnings or critical",
        Events,
        Less,
        PROCESS
    ),
    count!(
        records_lost,
        "records lost",
        "records that the ring buffer had no room for",
        Events,
        Less,
        MACHINE
    ),
    count!(
        unexplained,
        "unexplained",
        "allocations of the audit's residual that no known cause covers",
        Allocations,
        Less,
        MACHINE
    ),
];
