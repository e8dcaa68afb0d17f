//! Absences judged live and from the timeline of a report are the same, field by field.

use std::collections::BTreeMap;

use bytemuck::{Pod, bytes_of};
use numatrace::{
    capture::{
        RawRecord, boundary::BoundaryReading, numastat::Round, sys::numastat::NodeCounters,
        totals::Sweep,
    },
    enrich::topology::Topology,
    fold::live::Live,
    ids::NodeId,
    ingest::{Ingest, input::Input},
    label::frame,
    model::Incident,
};
use numatrace_common::{
    count_key::{CountKey, MoveReason, Stem},
    event::{pages_moved::PagesMoved, task_life::TaskExit, task_moved::TaskMoved},
    header::{Header, Record, record_len},
    totals::{TotalKey, TotalValue},
};
use proptest::prelude::*;

use super::{
    load::{PIDS, start_ns},
    machine,
    whole::{Hooks, KnownFacts, report_of},
};

const SECOND: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;
/// When the session begins, ns since boot.
const BEGAN: u64 = 20 * SECOND;
const EPOCH: u64 = 10;

/// One step of a load, as it is drawn.
#[derive(Clone, Debug)]
enum Step {
    /// A thread runs and faults where it is, and then moves to a node.
    Move {
        thread: usize,
        to: u16,
        ran_us: u64,
        faults: u64,
    },
    /// Pages of a process move.
    Pages {
        process: usize,
        from: u16,
        to: u16,
        pages: u64,
    },
    /// A process touches pages first.
    Touch {
        process: usize,
        node: u16,
        pages: u64,
    },
    /// A thread ends.
    Exit { thread: usize },
    /// The tracer sweeps.
    Sweep,
}

/// Processes with two threads each.
const PROCESSES: usize = 2;
const THREADS: usize = 2 * PROCESSES;
const NODES: u16 = 4;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..THREADS, 0..NODES, 0..400u64, 0..20u64).prop_map(|(thread, to, ran_us, faults)| {
            Step::Move { thread, to, ran_us, faults }
        }),
        4 => (0..PROCESSES, 0..NODES, 0..NODES, 1..600u64).prop_map(|(process, from, to, pages)| {
            Step::Pages { process, from, to, pages }
        }),
        4 => (0..PROCESSES, 0..NODES, 1..2_000u64).prop_map(|(process, node, pages)| {
            Step::Touch { process, node, pages }
        }),
        1 => (0..THREADS).prop_map(|thread| Step::Exit { thread }),
        3 => Just(Step::Sweep),
    ];
    proptest::collection::vec(step, 0..120)
}

/// A thread of the load.
#[derive(Clone, Copy, Debug, Default)]
struct Thread {
    node: u16,
    ran_ns: u64,
    /// Remote hinting faults since its last move.
    faults: u64,
    moved: bool,
    ended: bool,
}

/// A session that is watched while it goes on and reported at its end.
struct Session {
    ingest: Ingest<KnownFacts>,
    machine: Topology,
    now_ns: u64,
    sweeps: u64,
    threads: [Thread; THREADS],
    counts: BTreeMap<(TotalKeyOrder, u64), TotalValue>,
}

/// A key of the totals by its parts, which have an order.
type TotalKeyOrder = (u32, u32, u64);

fn ids(thread: usize) -> (u32, u32) {
    let pid = PIDS[thread / 2];
    (pid, pid + u32::try_from(thread % 2).unwrap())
}

impl Session {
    fn begin() -> Self {
        let (_, machine) = machine::all().swap_remove(2);
        let mut session = Self {
            ingest: Ingest::new(KnownFacts),
            machine,
            now_ns: BEGAN,
            sweeps: 0,
            threads: Default::default(),
            counts: BTreeMap::new(),
        };
        let reading = session.reading(EPOCH);
        session.ingest.apply(&Input::Begin(reading, no_counts()));
        session.ingest.watch(Live::default());
        session
    }

    fn reading(&self, epoch: u64) -> BoundaryReading {
        let nodes = self.machine.node_ids();
        let round = nodes.map(|node| (node, epoch, NodeCounters::default()));
        BoundaryReading {
            at_ns: self.now_ns,
            rounds: vec![Round(round.collect())],
            ..BoundaryReading::default()
        }
    }

    fn record<T: Record + Pod>(&mut self, make: impl FnOnce(Header) -> T) {
        let header = Header {
            time_ns: self.now_ns,
            cpu: 0,
            kind: T::KIND as u16,
            len: record_len::<T>(),
        };
        let record = make(header);
        let taken = self.ingest.record(RawRecord(bytes_of(&record)));
        assert!(taken.is_some(), "the record makes sense");
    }

    fn count(&mut self, (pid, tid): (u32, u32), key: CountKey, count: u64, amount: u64) {
        let sum = self
            .counts
            .entry(((pid, tid, start_ns(tid)), key.0))
            .or_default();
        sum.count += count;
        sum.amount += amount;
    }

    fn step(&mut self, step: &Step) {
        self.now_ns += MS;
        match *step {
            Step::Move {
                thread,
                to,
                ran_us,
                faults,
            } => {
                self.spend(thread, ran_us * 1_000, faults);
                self.move_to(thread, to);
            }
            Step::Pages {
                process,
                from,
                to,
                pages,
            } if from != to => self.move_pages(PIDS[process], from, to, pages),
            Step::Pages { .. } => {}
            Step::Touch {
                process,
                node,
                pages,
            } => {
                let key = CountKey::new(Stem::FirstTouch)
                    .with_task_node(node)
                    .with_page_node(node);
                let pid = PIDS[process];
                self.count((pid, pid), key, pages, pages);
            }
            Step::Exit { thread } => self.exit(thread),
            Step::Sweep => self.sweep(),
        }
    }

    fn spend(&mut self, thread: usize, ran_ns: u64, faults: u64) {
        let Thread { node, ended, .. } = self.threads[thread];
        if ended {
            return;
        }
        let ids = ids(thread);
        let run = CountKey::new(Stem::TaskRun).with_task_node(node);
        self.count(ids, run, 1, ran_ns);
        let fault = CountKey::new(Stem::HintFault)
            .with_task_node(node)
            .with_page_node((node + 1) % NODES);
        self.count(ids, fault, faults, faults);
        let thread = &mut self.threads[thread];
        thread.ran_ns += ran_ns;
        // The kernel side begins to count with the first move.
        thread.faults += if thread.moved { faults } else { 0 };
    }

    fn move_to(&mut self, number: usize, to: u16) {
        let Thread {
            node,
            ran_ns,
            faults,
            ended,
            ..
        } = self.threads[number];
        if ended || node == to {
            return;
        }
        let (tgid, tid) = ids(number);
        self.record(|header| TaskMoved {
            header,
            start_ns: start_ns(tid),
            tid,
            tgid,
            from: node,
            to,
            reason: MoveReason::LoadBalance as u16,
            ran_ns,
            remote_faults: faults,
            ..TaskMoved::default()
        });
        let thread = &mut self.threads[number];
        (thread.node, thread.faults, thread.moved) = (to, 0, true);
    }

    fn move_pages(&mut self, tgid: u32, from: u16, to: u16, pages: u64) {
        self.record(|header| PagesMoved {
            header,
            start_ns: start_ns(tgid),
            tid: tgid,
            tgid,
            asker: 1,
            from,
            to,
            pages,
            ..PagesMoved::default()
        });
        let key = CountKey::new(Stem::PageMigration)
            .with_task_node(from)
            .with_page_node(to);
        self.count((tgid, tgid), key, pages, pages);
    }

    fn exit(&mut self, number: usize) {
        if std::mem::replace(&mut self.threads[number].ended, true) {
            return;
        }
        let (pid, tid) = ids(number);
        self.record(|header| TaskExit {
            header,
            start_ns: start_ns(tid),
            process_start_ns: start_ns(pid),
            tid,
            pid,
            ..TaskExit::default()
        });
    }

    fn sweep(&mut self) {
        self.sweep_with(true);
    }

    fn sweep_with(&mut self, consistent: bool) {
        self.sweeps += 1;
        let epoch = EPOCH + self.sweeps;
        let counts = std::mem::take(&mut self.counts).into_iter();
        let counts = counts.map(|(((tgid, tid, start_ns), count_key), value)| {
            let key = TotalKey {
                start_ns,
                tid,
                tgid,
                count_key: CountKey(count_key),
            };
            (epoch, key, value)
        });
        let sweep = Sweep {
            counts: counts.collect(),
            consistent,
        };
        self.ingest.apply(&Input::Time(self.now_ns));
        self.ingest.apply(&Input::Sweep(sweep));
    }

    /// Ends the session. Returns its incidents as they were seen live, and as the report has them.
    fn end(mut self) -> (Vec<Incident>, Vec<Incident>) {
        for thread in 0..THREADS {
            self.spend(thread, 70_000, 2);
        }
        self.now_ns += MS;
        self.sweep();
        let reading = self.reading(EPOCH + self.sweeps + 1);
        self.ingest.apply(&Input::Boundary(reading, no_counts()));
        let counted = self.ingest.counted().unwrap();
        let Ingest { live, enrich, .. } = &mut self.ingest;
        let report = report_of(&self.machine, Hooks::Exact, &counted, enrich);
        let live = live.as_mut().unwrap();
        let shown = frame::absences(live, enrich, &report, BEGAN, counted.until_ns);
        let mut seen = shown.ended;
        seen.extend(shown.open);
        (in_order(seen), in_order(report.incidents))
    }
}

#[test]
fn only_counts_that_a_boundary_leaves_out_are_missing() {
    for (at_sweep, at_boundary) in [(true, true), (false, true), (true, false)] {
        let mut session = Session::begin();
        session.sweep_with(at_sweep);
        let reading = session.reading(EPOCH + session.sweeps + 1);
        let counts = Sweep {
            consistent: at_boundary,
            ..no_counts()
        };
        session.ingest.apply(&Input::Boundary(reading, counts));
        let counted = session.ingest.counted().unwrap();
        assert_eq!(counted.unsettled, !at_boundary, "{at_sweep}");
    }
}

fn no_counts() -> Sweep {
    Sweep {
        counts: Vec::new(),
        consistent: true,
    }
}

fn in_order(mut incidents: Vec<Incident>) -> Vec<Incident> {
    incidents.sort_by(|a, b| a.at_s.total_cmp(&b.at_s).then(a.tid.cmp(&b.tid)));
    incidents
}

fn both_ways(steps: &[Step]) -> (Vec<Incident>, Vec<Incident>) {
    let mut session = Session::begin();
    for step in steps {
        session.step(step);
    }
    session.end()
}

#[test]
fn a_thread_that_leaves_and_comes_back_is_one_incident_both_ways_with_all_that_it_spent() {
    let go = |to, ran_us, faults| Step::Move {
        thread: 0,
        to,
        ran_us,
        faults,
    };
    let (live, report) = both_ways(&[
        Step::Touch {
            process: 0,
            node: 0,
            pages: 1_000,
        },
        Step::Sweep,
        go(1, 500, 3),
        Step::Pages {
            process: 0,
            from: 0,
            to: 1,
            pages: 100,
        },
        Step::Sweep,
        go(2, 300, 4),
        Step::Sweep,
        go(0, 200, 5),
    ]);
    assert_eq!(live, report);
    let [incident] = live.as_slice() else {
        panic!("{live:#?}");
    };
    assert_eq!((incident.from, incident.to), (NodeId(0), NodeId(1)));
    assert_eq!((incident.run_ms, incident.away_ms), (Some(0.5), 5.0));
    assert_eq!(incident.remote_hint_faults, Some(9));
    assert_eq!((incident.pages_left, incident.pages_followed), (1_000, 100));
    assert!(incident.back.is_some() && !incident.ended);
}

#[test]
fn a_thread_that_ends_elsewhere_was_away_up_to_its_end_in_the_report_too() {
    let (live, report) = both_ways(&[
        Step::Touch {
            process: 0,
            node: 0,
            pages: 1_000,
        },
        Step::Move {
            thread: 1,
            to: 1,
            ran_us: 100,
            faults: 0,
        },
        Step::Exit { thread: 1 },
        Step::Sweep,
        Step::Sweep,
    ]);
    assert_eq!(live, report);
    assert_eq!((report[0].away_ms, report[0].back), (1.0, None));
    assert!(report[0].ended);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_happens_the_screen_and_the_report_have_the_same_incidents(steps in steps()) {
        let (live, report) = both_ways(&steps);
        prop_assert_eq!(&live, &report);
        for incident in &live {
            prop_assert!(incident.run_ms.unwrap() <= incident.away_ms, "{:#?}", incident);
            prop_assert!(incident.pages_left > 0, "{:#?}", incident);
        }
    }
}
