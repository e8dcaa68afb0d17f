//! The bound of a flight recorder: no file is larger than `--max-size` at any moment, whatever the
//! load, and the sums of the recording are those of the session.

#![expect(clippy::unwrap_used, reason = "tests state claims; an unwrap is one")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use bytemuck::Zeroable as _;
use numatrace::{
    attach::{
        catalog::HOOKS,
        hooks::{Hook, HookState},
    },
    capture::{RawRecord, boundary::BoundaryReading, totals::Sweep},
    decode::mapping_record::MappingMade,
    enrich::{
        facts::{ProcFacts, noted::Noted},
        topology::{Node, Topology},
    },
    ids::{CpuId, NodeId, Pid},
    ingest::{
        Ingest,
        input::{Input, OpenRuns},
    },
    label::{
        code::NoCode,
        report::{host, report},
        session_info::{CostParts, HookInfo, SessionInfo},
        symbol::Symbols,
    },
    model::{Name, Session, Snapshot},
    recording::{
        chunks::{Made, Opening, Sample},
        files::{Keep, Limit},
        recorder::Recorder,
        replay::Replay,
        wanted::Wanted,
    },
};
use numatrace_common::{
    count_key::{CountKey, Stem},
    event::task_life::{TaskExit, TaskFork},
    header::Header,
    kind::Kind,
    totals::{TotalKey, TotalValue},
};

const SECOND: u64 = 1_000_000_000;
/// Ended processes with entries of their own.
const KEEP: usize = 500;
/// Epoch of all counts.
const EPOCH: u64 = 1;

/// Load of one second.
#[derive(Clone, Copy)]
struct Load {
    /// Processes that are born, count and end.
    processes: u32,
    /// Each of them has a name of its own.
    named: bool,
    /// New mappings with names that do not compress.
    mappings: u32,
}

/// A session with a recorder, without a kernel.
struct Recorded {
    ingest: Ingest<Noted<ProcFacts>>,
    recorder: Recorder,
    folder: tempfile::TempDir,
    limit: u64,
    now_ns: u64,
    pid: u32,
    random: u64,
    /// Pages counted so far.
    pages: u64,
}

impl Recorded {
    fn begin(limit: u64, keep: Keep) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limit { bytes: limit, keep };
        let recorder = Recorder::open(
            &folder.path().join("it.nmt"),
            Some(limits),
            Symbols::default(),
        )
        .unwrap();
        let mut ingest = Ingest::new(Noted::on(ProcFacts::new(Path::new("/nowhere"))));
        ingest.keep_processes = Some(KEEP);
        let mut session = Self {
            ingest,
            recorder,
            folder,
            limit,
            now_ns: SECOND,
            pid: 100,
            random: 88_172_645_463_325_252,
            pages: 0,
        };
        session.apply(&Input::Begin(session.boundary(), Sweep::default()), false);
        let opening = Opening {
            info: info(),
            began_ns: session.now_ns,
        };
        session.recorder.opened(opening, &mut session.ingest);
        session
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("it.nmt")
    }

    fn boundary(&self) -> BoundaryReading {
        BoundaryReading {
            at_ns: self.now_ns,
            no_counters: Some("there is no kernel".to_owned()),
            ..BoundaryReading::default()
        }
    }

    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    fn apply(&mut self, input: &Input, is_sweep: bool) {
        let sample = is_sweep.then(|| Sample {
            at_ns: self.now_ns,
            ..Sample::default()
        });
        let Self {
            ingest, recorder, ..
        } = self;
        recorder.before(ingest);
        ingest.apply(input);
        recorder.input(input, sample.as_ref(), ingest);
        self.check();
    }

    fn record(&mut self, bytes: &[u8]) {
        let raw = RawRecord(bytes);
        let event = self.ingest.record(raw);
        assert!(event.is_some());
        let none = |_| None;
        self.recorder
            .record(raw, event.as_ref(), none, &mut self.ingest);
    }

    /// The file at the path is never larger than the limit.
    fn check(&self) {
        assert_eq!(self.recorder.trouble(), None);
        let length = fs::metadata(self.path()).map_or(0, |found| found.len());
        assert!(length <= self.limit, "{length} bytes of {}", self.limit);
    }

    /// A second of a storm.
    fn second(&mut self, load: Load) {
        let mut counts = Vec::new();
        for _ in 0..load.processes {
            self.pid += 1;
            let (pid, start_ns) = (self.pid, self.now_ns + u64::from(self.pid));
            let mut comm = [0; 16];
            let name = if load.named {
                format!("{:015x}", self.random() >> 4)
            } else {
                format!("command {}", self.random() % 40)
            };
            comm[..name.len()].copy_from_slice(name.as_bytes());
            let fork = TaskFork {
                header: header::<TaskFork>(start_ns, Kind::TaskFork),
                start_ns,
                pid,
                parent: 1,
                comm,
                ..TaskFork::zeroed()
            };
            self.record(bytemuck::bytes_of(&fork));
            let exit = TaskExit {
                header: header::<TaskExit>(start_ns + 1_000, Kind::TaskExit),
                start_ns,
                process_start_ns: start_ns,
                tid: pid,
                pid,
                group_dead: 1,
                comm,
                ..TaskExit::zeroed()
            };
            self.record(bytemuck::bytes_of(&exit));
            for page_node in [0, 1] {
                let key = TotalKey {
                    start_ns,
                    tid: pid,
                    tgid: pid,
                    count_key: CountKey::new(Stem::PageAlloc)
                        .with_page_node(page_node)
                        .with_preferred(page_node),
                };
                let count = 1 + self.random() % 100_000;
                self.pages += count;
                let value = TotalValue {
                    count,
                    amount: count,
                };
                counts.push((EPOCH, key, value));
            }
        }
        self.now_ns += SECOND;
        if load.mappings > 0 {
            let made = (0..load.mappings).map(|_| self.mapping()).collect();
            self.apply(&Input::MappingRecords(made, 0), false);
            self.apply(&Input::AssignMappings, false);
        }
        self.apply(&Input::Time(self.now_ns), false);
        let sweep = Sweep {
            counts,
            consistent: true,
        };
        self.apply(&Input::Sweep(sweep), true);
    }

    /// A mapping of a process that nobody knows, with a name of a page.
    fn mapping(&mut self) -> MappingMade {
        let name: Vec<u8> = (0..512).flat_map(|_| self.random().to_le_bytes()).collect();
        MappingMade {
            pid: Pid(2),
            time_ns: self.now_ns,
            start: 0x1000,
            end: 0x2000,
            executable: false,
            writable: false,
            shared: false,
            offset: 0,
            file: None,
            name: Name::from(name),
        }
    }

    /// Ends the session. Returns its own report, that of the recording, and what a reader is told.
    fn end(mut self) -> (Snapshot, Snapshot, Vec<String>) {
        self.apply(&Input::Boundary(self.boundary(), Sweep::default()), false);
        let open = OpenRuns {
            now_ns: self.now_ns,
            ..OpenRuns::default()
        };
        self.apply(&Input::OpenRuns(open), false);
        let counted = self.ingest.counted().unwrap();
        let (info, enrich) = (info(), &mut self.ingest.enrich);
        let own = report(&info, &counted, &mut NoCode, false, enrich);
        let made = Made {
            info,
            another_follows: false,
        };
        self.recorder.reported(&made, &[], &mut self.ingest);
        self.check();
        assert_eq!(
            fs::read_dir(self.folder.path()).unwrap().count(),
            1,
            "litter"
        );
        let bytes = fs::read(self.path()).unwrap();
        let replay = Replay::new(&bytes[..], bytes.len() as u64, Wanted::default()).unwrap();
        let mut again = None;
        let outcome = replay.run(&mut |_| {}, &mut |report| {
            again = Some(report);
            Ok(true)
        });
        (own, again.unwrap(), outcome.unwrap().remarks)
    }
}

fn header<T>(time_ns: u64, kind: Kind) -> Header {
    Header {
        time_ns,
        cpu: 0,
        kind: kind as u16,
        len: u16::try_from(size_of::<T>()).unwrap(),
    }
}

fn info() -> SessionInfo {
    let node = |id: u16| Node {
        id: NodeId(id),
        cpus: vec![CpuId(id.into())],
        mem_kb: Some(1 << 20),
        free_kb: Some(1 << 19),
        distance: None,
        has_normal_memory: true,
    };
    let machine = Topology::from_nodes(vec![node(0), node(1)], 4096);
    let hooks = HOOKS.iter().map(|row| Hook {
        row,
        state: HookState::Attached,
        via: Some("fexit somewhere".to_owned()),
        reason: None,
        programs: Vec::new(),
    });
    SessionInfo {
        host: host(&machine, "6.12.0".into(), "x86_64".into(), Some(1)),
        session: Session::new("record", "2026-01-02T03:04:05Z".parse().unwrap(), 10.0),
        hooks: hooks.map(|hook| HookInfo::from(&hook)).collect(),
        interrupts_unknown: None,
        mapping_records: None,
        reasons: Default::default(),
        verified: None,
        cost: CostParts::default(),
        keep_processes: Some(KEEP as u64),
    }
}

fn pages(snapshot: &Snapshot) -> Option<u64> {
    snapshot.alloc_total()?.page_total()
}

/// Two reports are equal, part by part: a whole one is too long to be read.
fn assert_same(own: &Snapshot, again: &Snapshot) {
    assert_eq!(own.coverage, again.coverage);
    let (theirs, ours) = (&again.processes, &own.processes);
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert_eq!(ours, theirs);
    }
    assert!(own == again);
}

/// A storm of a minute within a limit. Returns both reports and what a reader is told.
fn storm(limit: u64, keep: Keep, load: Load) -> (Snapshot, Snapshot, Vec<String>) {
    let mut session = Recorded::begin(limit, keep);
    for _ in 0..60 {
        session.second(load);
        let known = session.ingest.enrich.processes.len();
        // The bound and its slack, the last two seconds, and a row for each command.
        let most = KEEP * 5 / 4 + 3 * load.processes as usize + 256;
        assert!(known <= most, "{known} processes are known");
    }
    let counted = session.pages;
    let (own, again, remarks) = session.end();
    assert_eq!(pages(&own), Some(counted));
    assert_eq!(pages(&again), Some(counted), "{remarks:?}");
    assert_eq!(own.system, again.system);
    assert_eq!(own.audit, again.audit);
    (own, again, remarks)
}

/// A fork storm.
const STORM: Load = Load {
    processes: 1_000,
    named: false,
    mappings: 0,
};

#[test]
fn a_fork_storm_stays_within_64_kib_and_the_reader_is_told_what_there_was_no_room_for() {
    let (_, again, remarks) = storm(64 << 10, Keep::Last, STORM);
    let note = "--max-size left no room for";
    assert!(
        remarks.iter().any(|remark| remark.contains(note)),
        "{remarks:?}"
    );
    assert!(again.coverage.incomplete.unwrap().starts_with(note));
}

#[test]
fn a_fork_storm_stays_within_1_mib_and_its_report_is_the_session_s_own() {
    let load = Load {
        processes: 2_000,
        named: true,
        ..STORM
    };
    let (own, again, remarks) = storm(1 << 20, Keep::Last, load);
    assert!(remarks[0].contains("keeps the last part"), "{remarks:?}");
    assert_eq!(again.coverage.incomplete, None, "{remarks:?}");
    let folded = own.coverage.folded.unwrap();
    assert_eq!(
        (folded.keep, folded.processes),
        (KEEP as u64, 120_000 - KEEP as u64)
    );
    assert_same(&own, &again);
}

#[test]
fn a_session_of_more_than_200_mib_stays_within_200_mib() {
    let load = Load {
        processes: 100,
        named: false,
        mappings: 1_000,
    };
    let (own, again, remarks) = storm(200 << 20, Keep::Last, load);
    assert!(remarks[0].contains("keeps the last part"), "{remarks:?}");
    assert_same(&own, &again);
}

#[test]
fn the_first_part_and_the_sums_of_the_rest_stay_within_the_limit_together() {
    for limit in [64 << 10, 256 << 10] {
        let (_, _, remarks) = storm(limit, Keep::First, STORM);
        assert!(remarks[0].contains("was full"), "{remarks:?}");
    }
}

#[test]
fn processes_that_do_not_end_are_left_out_of_a_small_recording_and_not_out_of_its_sums() {
    let mut session = Recorded::begin(64 << 10, Keep::Last);
    for pid in 1_000_000..1_005_000_u32 {
        let start_ns = session.now_ns + u64::from(pid);
        let mut comm = [0; 16];
        let name = format!("{:016x}", session.random());
        comm.copy_from_slice(name.as_bytes());
        let fork = TaskFork {
            header: header::<TaskFork>(start_ns, Kind::TaskFork),
            start_ns,
            pid,
            parent: 1,
            comm,
            ..TaskFork::zeroed()
        };
        session.record(bytemuck::bytes_of(&fork));
    }
    for _ in 0..10 {
        session.second(STORM);
    }
    let counted = session.pages;
    let (_, again, remarks) = session.end();
    assert_eq!(pages(&again), Some(counted), "{remarks:?}");
    assert!(again.coverage.incomplete.is_some(), "{remarks:?}");
}
