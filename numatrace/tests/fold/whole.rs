//! A session from counts to report, with a kernel that counted the same allocations.

use std::collections::BTreeMap;

use numatrace::attach::catalog::HOOKS;
use numatrace::attach::hooks::{Hook as Tried, HookState};
use numatrace::attach::kernel_enum::ReasonNames;
use numatrace::capture::losses::Losses;
use numatrace::capture::sys::numastat::NodeCounters;
use numatrace::decode::count::decode_count;
use numatrace::enrich::facts::{Details, Facts, Identity};
use numatrace::enrich::topology::Topology;
use numatrace::enrich::{Enrich, Observation};
use numatrace::fold::counted::Counted as Between;
use numatrace::fold::failures::Failures;
use numatrace::fold::mapping::Mappings;
use numatrace::fold::timeline::Timeline;
use numatrace::fold::window::{Boundary, Window};
use numatrace::fold::{Accumulators, Folding};
use numatrace::ids::{NodeId, Pid, Tid};
use numatrace::label::code::NoCode;
use numatrace::label::report::{host, report};
use numatrace::label::session_info::{CostParts, HookInfo, SessionInfo};
use numatrace::model::{Name, Process, Session, Snapshot};
use numatrace_common::count_key::Stem;

use super::load::{Counted, PIDS, start_ns};

/// Epochs that begin at the first and at the last boundary.
const BEGIN: u64 = 10;
const END: u64 = 20;

/// The form of a session's hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hooks {
    /// All exact.
    Exact,
    /// All on their fallback, those without one absent.
    Fallback,
    /// Allocations are left out on request.
    WithoutAllocs,
}

impl Hooks {
    /// Every form.
    pub const ALL: [Self; 3] = [Self::Exact, Self::Fallback, Self::WithoutAllocs];

    fn tried(self) -> Vec<Tried> {
        HOOKS
            .iter()
            .map(|row| {
                let state = match self {
                    Self::Exact => HookState::Attached,
                    Self::Fallback if row.fallback.is_empty() => HookState::Absent,
                    Self::Fallback => HookState::Fallback,
                    Self::WithoutAllocs if row.hook.starts_with("page_alloc") => HookState::LeftOut,
                    Self::WithoutAllocs => HookState::Attached,
                };
                let in_place = matches!(state, HookState::Attached | HookState::Fallback);
                Tried {
                    row,
                    state,
                    via: in_place.then(|| "fexit somewhere".to_owned()),
                    reason: (state != HookState::Attached)
                        .then(|| "fexit somewhere: no".to_owned()),
                    programs: Vec::new(),
                }
            })
            .collect()
    }
}

/// Facts about the processes, with hostile names.
#[derive(Debug)]
pub struct KnownFacts;

impl Facts for KnownFacts {
    fn identity(&mut self, pid: Pid) -> Option<Identity> {
        self.thread(pid, Tid(pid.0))
    }

    fn details(&mut self, _: Pid) -> Details {
        Details::default()
    }

    fn thread(&mut self, pid: Pid, tid: Tid) -> Option<Identity> {
        const NAMES: [&str; 3] = ["数据库", "\u{1b}[31mred\n", "a name that is rather long"];
        let at = PIDS.iter().position(|known| *known == pid.0)?;
        Some(Identity {
            comm: Name::from(NAMES[at]),
            start_ticks: start_ns(tid.0) / 10_000_000,
            kthread: at == 1,
        })
    }

    fn pids(&mut self) -> Vec<Pid> {
        PIDS.map(Pid).to_vec()
    }
}

/// Counts with their owners, all of one epoch within the session.
pub fn observed(enrich: &mut Enrich<KnownFacts>, counted: &[Counted]) -> Vec<Observation> {
    counted
        .iter()
        .map(|(key, value)| enrich.count(decode_count(BEGIN + 1, key, value).unwrap()))
        .collect()
}

/// The window and the sums that these counts fold to.
pub fn folded(nodes: &[NodeId], seen: &[Observation], kernel: Boundary) -> (Window, Accumulators) {
    let mut folding = Folding::begin(boundary(nodes, BEGIN), &[]);
    for one in seen {
        folding.apply(one);
    }
    folding.end(kernel, &[])
}

/// A boundary at which all counters read zero.
fn boundary(nodes: &[NodeId], epoch: u64) -> Boundary {
    Boundary {
        nodes: nodes
            .iter()
            .map(|node| (*node, (epoch, NodeCounters::default())))
            .collect(),
        ..Boundary::default()
    }
}

/// The boundary of a kernel that counted these allocations (mm/page_alloc.c, `zone_statistics`).
pub fn kernel(nodes: &[NodeId], counted: &[Counted]) -> Boundary {
    let mut boundary = boundary(nodes, END);
    let mut at = |node: u16, add: &dyn Fn(&mut NodeCounters)| {
        if let Some((_, counters)) = boundary.nodes.get_mut(&NodeId(node)) {
            add(counters);
        }
    };
    for (key, value) in counted {
        let (count_key, n) = (key.count_key, value.count);
        let (task, page) = (count_key.task_node(), count_key.page_node());
        if count_key.stem() == Stem::InterleaveHit as u8 {
            at(page, &|counters| counters.interleave_hit += n);
        }
        if count_key.stem() != Stem::PageAlloc as u8 {
            continue;
        }
        let preferred = count_key.preferred_node().unwrap();
        if preferred == page {
            at(page, &|counters| counters.numa_hit += n);
        } else {
            at(page, &|counters| counters.numa_miss += n);
            at(preferred, &|counters| counters.numa_foreign += n);
        }
        if task == page {
            at(page, &|counters| counters.local_node += n);
        } else {
            at(page, &|counters| counters.other_node += n);
        }
    }
    boundary
}

/// The report of a session with these counts. Processes stand in the order of their numbers,
/// whichever was seen first.
pub fn reported(machine: &Topology, hooks: Hooks, counted: &[Counted]) -> Snapshot {
    let nodes: Vec<NodeId> = machine.node_ids().collect();
    let mut enrich = Enrich::new(KnownFacts);
    let seen = observed(&mut enrich, counted);
    let (window, inside) = folded(&nodes, &seen, kernel(&nodes, counted));
    let session = between(window, inside);
    let mut snapshot = report_of(machine, hooks, &session, &mut enrich);
    let order = |process: &Process| (process.pid, process.start_ns, process.comm.clone());
    snapshot.processes.sort_by_key(order);
    for process in &mut snapshot.processes {
        process.threads.sort_by_key(|thread| thread.tid);
    }
    snapshot
}

/// A session with these counts and nothing else.
pub fn between(window: Window, inside: Accumulators) -> Between {
    Between {
        window,
        until_ns: u64::MAX,
        inside,
        timeline: Timeline::default(),
        began_ns: 0,
        mappings: Mappings::default(),
        failures: Failures::default(),
        other_misses: Vec::new(),
        recursion_misses: Some(0),
        folded: Default::default(),
        losses: Losses::default(),
        rejected: 0,
        mapping_records_lost: 0,
        unsettled: false,
        uncounted: None,
        switched: false,
    }
}

/// The report of a session with these counts and all hooks in one form.
pub fn report_of(
    machine: &Topology,
    hooks: Hooks,
    counted: &Between,
    enrich: &mut Enrich<KnownFacts>,
) -> Snapshot {
    let start = "2026-01-02T03:04:05Z".parse().unwrap();
    let reasons = ReasonNames {
        migrate: ["compaction", "memory_failure", "syscall"]
            .map(str::to_owned)
            .to_vec(),
        skip: ["unsuitable", "shared_ro"].map(str::to_owned).to_vec(),
    };
    let info = SessionInfo {
        host: host(machine, "6.12.0".into(), "x86_64".into(), Some(1)),
        session: Session::new("trace", start, 10.0),
        hooks: hooks.tried().iter().map(HookInfo::from).collect(),
        interrupts_unknown: None,
        mapping_records: None,
        reasons,
        verified: None,
        cost: CostParts::default(),
        keep_processes: None,
    };
    report(&info, counted, &mut NoCode, false, enrich)
}

/// Adds up `part` of all processes: sum by name.
pub fn summed(
    snapshot: &Snapshot,
    part: impl Fn(&Process) -> Vec<(String, u64)>,
) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for (name, value) in snapshot.processes.iter().flat_map(part) {
        *sums.entry(name).or_default() += value;
    }
    sums
}
