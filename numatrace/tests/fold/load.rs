//! Counts as a sweep returns them: dense, with every pair of nodes, or drawn at random.

use numatrace::ids::NodeId;
use numatrace_common::{
    bucket::BUCKETS,
    count_key::{BalancerWork, CountKey, MoveReason, ReclaimKind, RemoteCause, Stem, TouchKind},
    totals::{IRQ, NO_OWNER, OUT_OF_SCOPE, OVERFLOW, TotalKey, TotalValue},
};
use proptest::prelude::*;

/// One entry of the totals.
pub type Counted = (TotalKey, TotalValue);

/// Numbers of the processes that count; each has three threads, the first of its own number.
pub const PIDS: [u32; 3] = [100, 200, 300];

/// Start of a process or thread, ns since boot.
pub fn start_ns(tid: u32) -> u64 {
    u64::from(tid) * 10_000_000
}

/// Owners by number: the pseudo owners first, then threads.
const OWNERS: usize = 4 + 3 * PIDS.len();

fn key(owner: usize, count_key: CountKey) -> TotalKey {
    let (tgid, tid) = match owner {
        0 => (IRQ, 0),
        1 => (OUT_OF_SCOPE, 0),
        2 => (OVERFLOW, 0),
        3 => (NO_OWNER, 0),
        thread => {
            let pid = PIDS[(thread - 4) / 3];
            (pid, pid + u32::try_from((thread - 4) % 3).unwrap())
        }
    };
    TotalKey {
        start_ns: if tid == 0 { 0 } else { start_ns(tid) },
        tid,
        tgid,
        count_key,
    }
}

/// Parts of a count key other than stem and nodes.
#[derive(Clone, Copy, Debug)]
struct Marks {
    preferred: NodeId,
    class: u8,
    cause: u8,
    mark: u8,
}

/// A count key as a probe of that stem makes it.
fn count_key(stem: Stem, from: NodeId, to: NodeId, marks: Marks) -> CountKey {
    let count_key = CountKey::new(stem)
        .with_task_node(from.0)
        .with_page_node(to.0);
    let any = |cause: u8, of: usize| u8::try_from(usize::from(cause) % of).unwrap();
    match stem {
        Stem::PageAlloc => {
            let plain = from == to && marks.preferred == to;
            // Only remote and missed allocations have a cause.
            let cause = if plain {
                RemoteCause::None as u8
            } else {
                1 + any(marks.cause, RemoteCause::ALL.len() - 1)
            };
            count_key
                .with_preferred(marks.preferred.0)
                .with_class(any(marks.class, 6))
                .with_cause(cause)
        }
        Stem::FirstTouch => count_key
            .with_class(any(marks.class, TouchKind::ALL.len()))
            .with_mark(marks.mark & 3),
        Stem::PageMigration => count_key.with_cause(marks.cause & 15),
        Stem::MigrationFailed => count_key
            .with_cause(marks.cause & 15)
            .with_mark(marks.mark & 1),
        Stem::Balancer => CountKey::new(stem).with_class(any(marks.class, BalancerWork::ALL.len())),
        Stem::Reclaim | Stem::Reclaimed => count_key
            .with_class(any(marks.class, ReclaimKind::ALL.len()))
            .with_cause(marks.cause & 1)
            .with_mark(any(marks.mark, 3)),
        Stem::VmaSkipped => CountKey::new(stem).with_cause(any(marks.cause, 7)),
        Stem::TaskMove => count_key
            .with_cause(any(marks.cause, MoveReason::ALL.len()))
            .with_mark(marks.mark & 3),
        Stem::MigrationLatency => count_key
            .with_bucket(u16::from(marks.class) % BUCKETS)
            .with_cause(marks.cause & 15)
            .with_mark(marks.mark & 1),
        Stem::Stay => count_key.with_bucket(u16::from(marks.class) % BUCKETS),
        Stem::MovedBy => CountKey::new(stem)
            .with_pid(PIDS[usize::from(marks.class) % PIDS.len()])
            .with_cause(marks.cause & 15),
        Stem::TouchedBy => CountKey::new(stem)
            .with_pid(PIDS[usize::from(marks.class) % PIDS.len()])
            .with_mark(marks.mark & 4),
        Stem::CpuMove => {
            CountKey::new(stem).with_cpus(u32::from(from.0) * 2, u32::from(to.0) * 2 + 1)
        }
        Stem::InterleaveHit | Stem::HintFault | Stem::HintMigrated | Stem::TaskRun => count_key,
    }
}

/// Every stem for every pair of nodes, charged to one owner after the other.
pub fn dense(nodes: &[NodeId]) -> Vec<Counted> {
    let mut counted = Vec::new();
    for (at, from) in nodes.iter().enumerate() {
        for (to_at, to) in nodes.iter().enumerate() {
            for (number, stem) in Stem::ALL.into_iter().enumerate() {
                let turn = at + to_at + number;
                let small = |of: usize| u8::try_from(turn % of).unwrap();
                let marks = Marks {
                    preferred: nodes[(to_at + turn / 3) % nodes.len()],
                    class: small(6),
                    cause: small(12),
                    mark: small(4),
                };
                let count = 1 + (turn as u64 * 7_919) % 100_000;
                counted.push((
                    key(turn % OWNERS, count_key(stem, *from, *to, marks)),
                    TotalValue {
                        count,
                        amount: count * 3,
                    },
                ));
            }
        }
    }
    counted
}

/// Up to two hundred counts on a machine with so many nodes, by position in its list.
pub fn random(nodes: Vec<NodeId>) -> impl Strategy<Value = Vec<Counted>> {
    let n = nodes.len();
    let one = (
        0..OWNERS,
        0..Stem::ALL.len(),
        (0..n, 0..n, 0..n),
        any::<(u8, u8, u8)>(),
        1..1_000_000u64,
        1..512u64,
    );
    let counted = one.prop_map(
        move |(owner, stem, (from, to, preferred), (class, cause, mark), count, each)| {
            let marks = Marks {
                preferred: nodes[preferred],
                class,
                cause,
                mark,
            };
            let count_key = count_key(Stem::ALL[stem], nodes[from], nodes[to], marks);
            let amount = count * each;
            (key(owner, count_key), TotalValue { count, amount })
        },
    );
    proptest::collection::vec(counted, 0..200)
}

/// A machine by its position, with counts of its own.
pub fn on_any_machine() -> impl Strategy<Value = (usize, Vec<Counted>)> {
    let machines = super::machine::all();
    (0..machines.len()).prop_flat_map(move |at| {
        let nodes = machines[at].1.node_ids().collect();
        (Just(at), random(nodes))
    })
}
