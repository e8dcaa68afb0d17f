//! The list: name, meaning, unit, and how each is read.

use super::{Good, Measured, Measures, Of, Quantity, Unit};

const EVERYWHERE: &[Of] = &[Of::Node, Of::Process];
const PROCESS: &[Of] = &[Of::Process];
const MACHINE: &[Of] = &[];

/// A quantity that is a count of events.
macro_rules! count {
    ($name:ident, $what:literal, $unit:ident, $good:ident, $of:expr) => {
        Quantity {
            name: stringify!($name),
            what: $what,
            unit: Unit::$unit,
            good: Good::$good,
            grows: true,
            of: $of,
            read: |measures| measures.$name.map(Measured::Count),
        }
    };
}

/// A quantity that says what there is in the end.
macro_rules! state {
    ($name:ident, $what:literal, $unit:ident, $good:ident, $of:expr) => {
        Quantity {
            name: stringify!($name),
            what: $what,
            unit: Unit::$unit,
            good: Good::$good,
            grows: false,
            of: $of,
            read: |measures| measures.$name.map(Measured::State),
        }
    };
}

/// A quantity that is a part of counted events.
const fn share(
    name: &'static str,
    what: &'static str,
    good: Good,
    of: &'static [Of],
    read: fn(&Measures) -> Option<Measured>,
) -> Quantity {
    Quantity {
        name,
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
    // Both come from outside: a part is never more than its whole.
    Some(Measured::Share {
        part: part.min(whole),
        whole,
    })
}

/// All quantities, in the order of every list.
pub const ALL: &[Quantity] = &[
    share(
        "local_share",
        "part of the allocations whose page lies on the asking CPU's node",
        Good::More,
        EVERYWHERE,
        |m| part(m.local_node, m.allocations()),
    ),
    share(
        "remote_share",
        "part of the allocations whose page lies on another node than the asking CPU",
        Good::Less,
        EVERYWHERE,
        |m| part(m.other_node, m.allocations()),
    ),
    share(
        "miss_share",
        "part of the allocations that fell back past the preferred node",
        Good::Less,
        EVERYWHERE,
        |m| part(m.numa_miss, m.allocations()),
    ),
    share(
        "foreign_share",
        "part of what wanted the node and got another",
        Good::Less,
        EVERYWHERE,
        |m| {
            let wanted = m.numa_hit?.saturating_add(m.numa_foreign?);
            part(m.numa_foreign, Some(wanted))
        },
    ),
    Quantity {
        name: "allocations",
        what: "all allocations",
        unit: Unit::Allocations,
        good: Good::Neither,
        grows: true,
        of: EVERYWHERE,
        read: |m| m.allocations().map(Measured::Count),
    },
    count!(
        numa_hit,
        "numastat's counter: got the node that was wanted",
        Allocations,
        Neither,
        EVERYWHERE
    ),
    count!(
        numa_miss,
        "numastat's counter: wanted another node, got this one",
        Allocations,
        Less,
        EVERYWHERE
    ),
    count!(
        numa_foreign,
        "numastat's counter: wanted this node, got another one",
        Allocations,
        Less,
        EVERYWHERE
    ),
    count!(
        interleave_hit,
        "numastat's counter: interleaving wanted this node and got it",
        Allocations,
        Neither,
        EVERYWHERE
    ),
    count!(
        local_node,
        "numastat's counter: page here, CPU here",
        Allocations,
        Neither,
        EVERYWHERE
    ),
    count!(
        other_node,
        "numastat's counter: page here, CPU elsewhere",
        Allocations,
        Less,
        EVERYWHERE
    ),
    count!(
        pages,
        "base pages of the allocations",
        Pages,
        Neither,
        EVERYWHERE
    ),
    count!(
        remote_by_policy,
        "remote or missed, because a memory policy chose the node",
        Allocations,
        Neither,
        PROCESS
    ),
    count!(
        remote_by_fallback,
        "remote or missed, because the preferred node had no page",
        Allocations,
        Less,
        PROCESS
    ),
    count!(
        remote_by_cpuset,
        "remote or missed, because the cpuset does not allow the CPU's node",
        Allocations,
        Less,
        PROCESS
    ),
    count!(
        remote_by_memoryless,
        "remote or missed, because the CPU's node has no memory",
        Allocations,
        Less,
        PROCESS
    ),
    count!(
        remote_by_kernel_node,
        "remote or missed, because kernel code asked for the node",
        Allocations,
        Neither,
        PROCESS
    ),
    count!(
        remote_by_task_moved,
        "remote or missed, because the task changed its CPU meanwhile",
        Allocations,
        Less,
        PROCESS
    ),
    count!(
        first_touch_pages,
        "user pages touched first; of a node: that were put there",
        Pages,
        Neither,
        EVERYWHERE
    ),
    count!(
        remote_first_touch_pages,
        "those put on another node than the thread that touched them",
        Pages,
        Less,
        EVERYWHERE
    ),
    share(
        "remote_first_touch_share",
        "part of the user pages put on another node than the thread that touched them",
        Good::Less,
        EVERYWHERE,
        |m| part(m.remote_first_touch_pages, m.first_touch_pages),
    ),
    state!(
        surprise_pages,
        "pages whose users sit on another node than first touch gave them",
        Pages,
        Less,
        EVERYWHERE
    ),
    share(
        "surprise_share",
        "part of the known pages whose users sit on another node than first touch gave them",
        Good::Less,
        EVERYWHERE,
        |m| {
            let whole = m.first_touch_pages?.max(m.surprise_pages?);
            part(m.surprise_pages, Some(whole))
        },
    ),
    count!(
        hint_faults,
        "NUMA hinting faults: sampled accesses; of a node: to its pages",
        Faults,
        Neither,
        EVERYWHERE
    ),
    count!(
        remote_hint_faults,
        "those to a page on another node",
        Faults,
        Less,
        EVERYWHERE
    ),
    share(
        "local_access_share",
        "part of the sampled accesses to a page on the thread's node",
        Good::More,
        EVERYWHERE,
        |m| {
            let local = m.hint_faults?.checked_sub(m.remote_hint_faults?);
            part(local, m.hint_faults)
        },
    ),
    share(
        "remote_access_share",
        "part of the sampled accesses to a page on another node",
        Good::Less,
        EVERYWHERE,
        |m| part(m.remote_hint_faults, m.hint_faults),
    ),
    count!(
        migrated_pages,
        "base pages moved between nodes; of a node: that came there",
        Pages,
        Less,
        EVERYWHERE
    ),
    count!(
        failed_migrations,
        "base pages that could not be moved",
        Pages,
        Less,
        PROCESS
    ),
    count!(task_moves, "changes of CPU", Moves, Neither, PROCESS),
    count!(
        cross_node_moves,
        "changes of CPU that changed the node; of a node: that led there",
        Moves,
        Less,
        EVERYWHERE
    ),
    count!(
        ping_pong,
        "moves to another node and back",
        Moves,
        Less,
        PROCESS
    ),
    Quantity {
        name: "run_s",
        what: "CPU time; of a node: spent there",
        unit: Unit::Seconds,
        good: Good::Neither,
        grows: true,
        of: EVERYWHERE,
        read: |m| m.run_ns.map(Measured::Time),
    },
    Quantity {
        name: "away_s",
        what: "CPU time on other nodes than the one with most of the process's memory",
        unit: Unit::Seconds,
        good: Good::Less,
        grows: true,
        of: PROCESS,
        read: |m| m.away_ns.map(Measured::Time),
    },
    share(
        "away_share",
        "that time as a part of all CPU time",
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
    state!(
        findings,
        "findings that are warnings or critical",
        Events,
        Less,
        PROCESS
    ),
    count!(
        records_lost,
        "records for which the ring had no room",
        Events,
        Less,
        MACHINE
    ),
    count!(
        unexplained,
        "allocations of the audit's residual that no named cause covers",
        Allocations,
        Less,
        MACHINE
    ),
];
