//! Reports with random memory, accesses, CPU time and binds: consistent as sums, and otherwise as
//! unlikely as chance makes them.

use numatrace::ids::{NodeId, Tid};
use numatrace::model::{
    Addr, BalancerVerdict, Balancing, Bind, BindWhat, FirstTouch, HintFaults, Mapping,
    MappingFirstTouch, MappingKind, MappingMigrations, Matrix, MoveReason, PageMigrations, PerNode,
    Process, RemoteByCause, Residency, Resident, Snapshot, System, TaskMoves, Thread, TidFaults,
    TidPages,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::fixture;

/// Most nodes of a machine.
const NODES: usize = 3;

/// Counts by pair of nodes, as they are drawn.
type Pairs = [[u64; NODES]; NODES];

#[derive(Clone, Debug)]
struct RawBind {
    what: usize,
    time_ns: u64,
    /// Hundredths of the mapping's length: first and last.
    range: Option<(u64, u64)>,
}

#[derive(Clone, Debug)]
struct RawThread {
    /// CPU time by node, ms.
    ran: [u64; NODES],
    binds: Vec<RawBind>,
}

#[derive(Clone, Debug)]
struct RawMapping {
    kind: usize,
    touched: Pairs,
    /// Number of the thread that touched it, and when.
    toucher: usize,
    last_ns: u64,
    sampled: Option<Pairs>,
    user: usize,
    /// Pages that moved, in hundredths of those there: from, to.
    moved: Option<(usize, usize, u64)>,
    resident: Option<[u64; NODES]>,
    /// Pages used remotely, in hundredths of all.
    surprise: u64,
    huge: bool,
}

#[derive(Clone, Debug)]
struct RawProcess {
    threads: Vec<RawThread>,
    mappings: Vec<RawMapping>,
    local: [u64; NODES],
    remote: [u64; NODES],
    by_policy: bool,
    interleaved: Option<[u64; NODES]>,
    crossed: u64,
    bounced: u64,
    reason: usize,
    hurting: bool,
    resident: Option<RawResident>,
}

/// Where the memory of a process was seen to lie, besides its mappings.
#[derive(Clone, Debug)]
struct RawResident {
    first: [u64; NODES],
    last: [u64; NODES],
    /// The nodes that it may run on: a bit each.
    allowed: u8,
}

/// A report, as it is drawn.
#[derive(Clone, Debug)]
pub struct Raw {
    nodes: usize,
    balancing: Option<u32>,
    processes: Vec<RawProcess>,
    launched: bool,
    /// Pages that could not be moved, and pages demoted and promoted.
    failed: u64,
    tiers: (u64, u64),
}

/// Pages or events: none, few, or many.
fn count() -> impl Strategy<Value = u64> + Clone {
    prop_oneof![4 => Just(0), 1 => 1..300u64, 2 => 300..20_000u64]
}

fn by_node(count: impl Strategy<Value = u64> + Clone) -> impl Strategy<Value = [u64; NODES]> {
    [count.clone(), count.clone(), count]
}

/// Counts by pair of nodes; most often those of one node with itself.
fn pairs() -> impl Strategy<Value = Pairs> {
    let on_one = (0..NODES, 0..20_000u64).prop_map(|(node, count)| {
        let mut pairs = Pairs::default();
        pairs[node][node] = count;
        pairs
    });
    let one_pair = (0..NODES, 0..NODES, 0..20_000u64).prop_map(|(from, to, count)| {
        let mut pairs = Pairs::default();
        pairs[from][to] = count;
        pairs
    });
    let any = [by_node(count()), by_node(count()), by_node(count())];
    prop_oneof![3 => on_one, 2 => one_pair, 2 => any]
}

fn mappings() -> impl Strategy<Value = RawMapping> {
    let touched = (pairs(), 0..4usize, 0..10u64);
    let used = (option::of(pairs()), 0..4usize, 0..=100u64);
    let place = (
        option::of((0..NODES, 0..NODES, 0..=100u64)),
        option::weighted(0.2, by_node(count())),
    );
    (0..5usize, touched, used, place, any::<bool>()).prop_map(
        |(kind, touched, used, place, huge)| RawMapping {
            kind,
            touched: touched.0,
            toucher: touched.1,
            last_ns: touched.2,
            sampled: used.0,
            user: used.1,
            moved: place.0,
            resident: place.1,
            surprise: used.2,
            huge,
        },
    )
}

fn threads() -> impl Strategy<Value = RawThread> {
    let time = prop_oneof![3 => Just(0), 1 => 1..90u64, 3 => 90..3_000u64];
    let bind = (0..5usize, 0..12u64, option::of((0..=100u64, 0..=100u64)));
    let bind = bind.prop_map(|(what, time_ns, range)| RawBind {
        what,
        time_ns,
        range,
    });
    (by_node(time), vec(bind, 0..2)).prop_map(|(ran, binds)| RawThread { ran, binds })
}

fn processes() -> impl Strategy<Value = RawProcess> {
    let remote = prop_oneof![3 => Just([0; NODES]), 2 => by_node(count())];
    let local = prop_oneof![2 => Just([12_000, 0, 0]), 2 => by_node(count())];
    let alloc = (
        local,
        remote,
        any::<bool>(),
        option::weighted(0.3, by_node(count())),
    );
    let moves = (
        prop_oneof![Just(0), 1..3u64, 20..3_000u64],
        count(),
        0..3usize,
    );
    (
        vec(threads(), 1..4),
        vec(mappings(), 0..4),
        alloc,
        moves,
        proptest::bool::weighted(0.1),
        option::of((by_node(count()), by_node(count()), 1..8u8)),
    )
        .prop_map(
            |(threads, mappings, alloc, moves, hurting, resident)| RawProcess {
                threads,
                mappings,
                local: alloc.0,
                remote: alloc.1,
                by_policy: alloc.2,
                interleaved: alloc.3,
                crossed: moves.0,
                bounced: moves.1.min(moves.0),
                reason: moves.2,
                hurting,
                resident: resident.map(|(first, last, allowed)| RawResident {
                    first,
                    last,
                    allowed,
                }),
            },
        )
}

/// Draws a report.
pub fn raw() -> impl Strategy<Value = Raw> {
    let balancing = prop_oneof![Just(None), Just(Some(0)), Just(Some(1)), Just(Some(2))];
    (
        2..=NODES,
        balancing,
        vec(processes(), 1..3),
        any::<bool>(),
        prop_oneof![4 => Just(0), 1 => count()],
        prop_oneof![4 => Just((0, 0)), 1 => (count(), count())],
    )
        .prop_map(
            |(nodes, balancing, processes, launched, failed, tiers)| Raw {
                nodes,
                balancing,
                processes,
                launched,
                failed,
                tiers,
            },
        )
}

impl Raw {
    /// Returns the report.
    pub fn snapshot(&self) -> Snapshot {
        let nodes = u16::try_from(self.nodes).unwrap();
        let mut snapshot = fixture::quiet(nodes);
        snapshot.host.numa_balancing = self.balancing;
        snapshot.session.began_ns = Some(1_500_000);
        if self.launched {
            snapshot.session.scope.launched = vec!["./app".into()];
        }
        let numbered = self.processes.iter().zip(1..);
        snapshot.processes = numbered
            .map(|(raw, number)| raw.process(number * 1_000, self.nodes))
            .collect();
        let mut matrix = Matrix::zeros(self.nodes);
        matrix.add_at(0, 1, self.tiers.0);
        matrix.add_at(1, 0, self.tiers.1);
        snapshot.system = Some(System {
            page_migrations: Some(PageMigrations {
                matrix: Some(matrix),
                by_reason: Some(
                    [
                        ("demotion".to_owned(), self.tiers.0),
                        ("numa_misplaced".to_owned(), self.tiers.1),
                    ]
                    .into(),
                ),
                failed: Some(self.failed),
                ..PageMigrations::default()
            }),
            ..System::default()
        });
        fixture::audited(snapshot, 0)
    }
}

/// Cuts drawn pairs to the nodes that there are.
fn matrix(pairs: &Pairs, nodes: usize) -> Matrix {
    let rows = pairs.iter().take(nodes);
    Matrix(rows.map(|row| PerNode(row[..nodes].to_vec())).collect())
}

fn tid(pid: u32, number: usize, threads: usize) -> Tid {
    Tid(pid + u32::try_from(number % threads).unwrap())
}

impl RawProcess {
    fn process(&self, pid: u32, nodes: usize) -> Process {
        let cause: fn(&mut RemoteByCause) -> &mut u64 = if self.by_policy {
            |causes| &mut causes.policy
        } else {
            |causes| &mut causes.task_moved
        };
        let mut alloc = fixture::alloc(&self.local[..nodes], &self.remote[..nodes], cause);
        alloc.interleave_hit = self.interleaved.map(|hits| {
            let pages = alloc.pages.clone().unwrap_or_default();
            let hits = hits.iter().zip(&pages.0).map(|(hits, all)| *hits.min(all));
            PerNode(hits.collect())
        });
        let mut process = fixture::program(pid, "app", alloc);
        let mappings = self.mappings.iter().zip(1..);
        process.mappings = mappings
            .map(|(raw, number)| raw.mapping(pid, number, nodes, self.threads.len()))
            .collect();
        let sizes: Vec<(Addr, Addr)> = process
            .mappings
            .iter()
            .map(|mapping| (mapping.start, mapping.end))
            .collect();
        process.threads = (0..self.threads.len())
            .map(|number| self.threads[number].thread(pid, number, nodes, &sizes))
            .collect();
        self.sums(&mut process, nodes);
        process
    }

    /// Gives a process the sums of its parts, as a report has them.
    fn sums(&self, process: &mut Process, nodes: usize) {
        let mut ran = PerNode::zeros(nodes);
        for thread in &process.threads {
            ran.add(thread.run_ns.as_ref().unwrap());
        }
        let (mut touched, mut used, mut moved) = (
            Matrix::zeros(nodes),
            Matrix::zeros(nodes),
            Matrix::zeros(nodes),
        );
        for mapping in &process.mappings {
            touched.add(mapping.touches().unwrap());
            if let Some(faults) = mapping.accesses() {
                used.add(faults);
            }
            if let Some(pages) = &mapping.page_migrations {
                moved.add(&pages.matrix);
            }
        }
        process.first_touch = Some(FirstTouch {
            pages: Some(touched),
            ..FirstTouch::default()
        });
        process.hint_faults = Some(HintFaults {
            matrix: Some(used),
            migrated: Some(0),
        });
        process.page_migrations = Some(PageMigrations {
            matrix: Some(moved),
            ..PageMigrations::default()
        });
        if let Some(raw) = &self.resident {
            let mut last = PerNode(raw.last[..nodes].to_vec());
            last.add(&process.pages().unwrap_or_default());
            let node = |at: usize| NodeId(u16::try_from(at).unwrap());
            let reading = |at_ns, pages| Resident {
                at_ns,
                pages,
                file_pages: PerNode::zeros(nodes),
            };
            process.residency = Some(Residency {
                first: Some(reading(1, PerNode(raw.first[..nodes].to_vec()))),
                last: Some(reading(2, last)),
                cpus_allowed: None,
                nodes_allowed: Some(
                    (0..nodes)
                        .filter(|at| raw.allowed >> at & 1 == 1)
                        .map(node)
                        .collect(),
                ),
                gap: None,
            });
        }
        let pages = process.pages().unwrap_or_default();
        let home = (0..nodes).find(|node| pages.at(*node) * 2 > pages.total());
        process.home_node = home.map(|home| NodeId(u16::try_from(home).unwrap()));
        process.away_ns = home.map(|home| ran.total() - ran.at(home));
        for thread in &mut process.threads {
            let ran = thread.run_ns.as_ref().unwrap();
            thread.away_ns = home.map(|home| ran.total() - ran.at(home));
        }
        process.run_ns = Some(ran);
        process.placement_mismatch = process.mismatch();
        let reasons = [
            MoveReason::Wakeup,
            MoveReason::LoadBalance,
            MoveReason::Affinity,
        ];
        process.task_moves = Some(TaskMoves {
            total: Some(self.crossed),
            cross_node: Some(self.crossed),
            by_reason: Some([(reasons[self.reason], self.crossed)].into()),
            ping_pong: Some(self.bounced),
            ..TaskMoves::default()
        });
        process.balancer = self.hurting.then(|| Balancing {
            verdict: Some(BalancerVerdict::Hurting),
            evidence: vec!["it took 10 % of CPU time".to_owned()],
            ..Balancing::default()
        });
    }
}

impl RawThread {
    fn thread(&self, pid: u32, number: usize, nodes: usize, sizes: &[(Addr, Addr)]) -> Thread {
        let whats = [
            BindWhat::Affinity,
            BindWhat::MemoryPolicy,
            BindWhat::RangePolicy,
            BindWhat::CpusetCpus,
            BindWhat::CpusetMems,
        ];
        let bind = |raw: &RawBind| {
            let range = sizes.first().zip(raw.range).map(|((start, end), range)| {
                let at = |part: u64| Addr(start.0 + (end.0 - start.0) / 100 * part);
                [at(range.0.min(range.1)), at(range.0.max(range.1))]
            });
            let what = whats[raw.what];
            (what != BindWhat::RangePolicy || range.is_some()).then_some(Bind {
                what,
                time_ns: raw.time_ns,
                after_ns: raw.time_ns,
                range: range.filter(|_| what == BindWhat::RangePolicy),
            })
        };
        let ran = self.ran[..nodes].iter().map(|ms| ms * 1_000_000);
        Thread {
            run_ns: Some(PerNode(ran.collect())),
            binds: self.binds.iter().filter_map(bind).collect(),
            ..Thread::new(tid(pid, number, usize::MAX), "worker")
        }
    }
}

impl RawMapping {
    fn mapping(&self, pid: u32, number: u64, nodes: usize, threads: usize) -> Mapping {
        let kinds = [
            MappingKind::Anon,
            MappingKind::Heap,
            MappingKind::Shmem,
            MappingKind::Hugetlb,
            MappingKind::File,
        ];
        let kind = kinds[self.kind];
        let touched = matrix(&self.touched, nodes);
        let placed = touched.by_to();
        let by_node = touched.by_from().most();
        let all = touched.total();
        let sampled = self.sampled.map(|pairs| matrix(&pairs, nodes));
        let moved = self.moved.filter(|(from, to, _)| from != to);
        let moved = moved.filter(|(from, to, _)| *from < nodes && *to < nodes);
        let moved = moved.map(|(from, to, part)| {
            let mut matrix = Matrix::zeros(nodes);
            matrix.add_at(from, to, placed.at(from) * part / 100);
            MappingMigrations { matrix, bounced: 0 }
        });
        let resident = self.resident.map(|pages| PerNode(pages[..nodes].to_vec()));
        let pages = all.max(resident.as_ref().map_or(0, PerNode::total)).max(1);
        let start = number << 40;
        let node = |position: usize| NodeId(u16::try_from(position).unwrap());
        let toucher = TidPages {
            tid: tid(pid, self.toucher, threads),
            pages: all,
            remote: Some(touched.off_diagonal()),
            node: by_node.map(node),
            last_ns: Some(self.last_ns),
        };
        let user = sampled.as_ref().map(|faults| TidFaults {
            tid: tid(pid, self.user, threads),
            faults: faults.total(),
            remote: faults.off_diagonal(),
            node: faults.by_from().most().map(node),
        });
        let surprise = sampled
            .as_ref()
            .filter(|faults| faults.off_diagonal() > 0)
            .map_or(0, |_| all * self.surprise / 100);
        Mapping {
            start: Addr(start),
            end: Addr(start + pages * 4096),
            kind,
            name: "memory".into(),
            first_touch: Some(MappingFirstTouch {
                pages: Some(touched),
                thp: Some(if self.huge { all } else { 0 }),
                by_tid: Vec::from_iter((all > 0).then_some(toucher)),
                ..MappingFirstTouch::default()
            }),
            users: user.filter(|user| user.faults > 0).into_iter().collect(),
            hint_faults: sampled.map(|matrix| HintFaults {
                matrix: Some(matrix),
                migrated: Some(0),
            }),
            page_migrations: moved,
            surprise_pages: Some(if kind == MappingKind::File {
                0
            } else {
                surprise
            }),
            shared_elsewhere_pages: Some(0),
            residency: resident,
            file_system: None,
        }
    }
}
