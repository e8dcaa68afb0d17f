//! Small recordings that were made to exhaust their reader: `report` refuses the part that would,
//! and tells what came before it, in bounded memory and time.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

use numatrace::{
    capture::{
        recording::{
            budget::Budget,
            bytes::{Bytes, difference, put, put_part},
            chunk::{self, ChunkKind},
            frame::{Frames, Packer, file_header},
        },
        totals::Sweep,
    },
    decode::mapping_record::MappingMade,
    enrich::facts::{noted::Fact, replayed::ReplayedFacts},
    ids::Pid,
    ingest::{Ingest, economy::Economy, input::Input},
    model::Name,
    recording::{
        chunks::{self, Chunk, put_facts, put_input},
        wanted::Wanted,
    },
};
use numatrace_common::{
    count_key::CountKey,
    totals::{TotalKey, TotalValue},
};

use crate::{V1, read};

/// Address space of the reader, in KiB as `ulimit` takes it.
const MEMORY_KIB: u64 = 512 << 10;
/// Time of the reader, most of it for a build without optimization on a busy machine.
const TIME: Duration = Duration::from_secs(5);
/// Size of each recording, bytes.
const SMALL: u64 = 48 << 10;
/// Unpacked bytes of a frame that is large, but not for that alone refused.
const LARGE: usize = 60 << 20;

/// The words where reading ends.
const LIMIT: &str = "made to exhaust its reader";

/// Returns a recording of a session and a frame of these chunks before its end, or right at its
/// start.
fn recording(name: &str, chunks: &[u8], at_start: bool) -> PathBuf {
    let mut frames = Frames::open(V1).unwrap();
    let (mut all, mut frame) = (Vec::new(), Vec::new());
    while frames.next(&mut frame).unwrap() {
        all.push(frame.clone());
    }
    let place = if at_start { 0 } else { all.len() - 1 };
    all.insert(place, chunks.to_vec());
    let mut packer = Packer::new().unwrap();
    let mut file = file_header().to_vec();
    for (number, frame) in (0..).zip(&all) {
        file.extend(packer.pack(frame).unwrap().frame(number));
    }
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("hostile-{name}.nmt"));
    fs::write(&path, file).unwrap();
    path
}

/// Reads a recording with the real program in bounded memory, and checks its time.
fn report(path: &Path) -> Output {
    let began = Instant::now();
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!("ulimit -v {MEMORY_KIB}; exec \"$0\" report \"$1\""))
        .arg(env!("CARGO_BIN_EXE_numatrace"))
        .arg(path)
        .output()
        .unwrap();
    let took = began.elapsed();
    assert!(took < TIME, "{}: {took:?}", path.display());
    output
}

/// Checks that what came before is reported, and why no more is, and that there is an error where
/// nothing came before.
fn refused(name: &str, chunks: &[u8]) {
    let path = recording(name, chunks, false);
    let length = fs::metadata(&path).unwrap().len();
    assert!(length < SMALL + V1.len() as u64, "{name}: {length} bytes");
    let output = report(&path);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{name}: {stderr}");
    assert!(stderr.contains("ends before its session did"), "{stderr}");
    assert!(stderr.contains(LIMIT), "{name}: {stderr}");
    assert!(!output.stdout.is_empty());

    let output = report(&recording(&format!("{name}-at-start"), chunks, true));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{name}: {stderr}");
    assert!(
        stderr.contains(LIMIT) && stderr.contains("hint:"),
        "{stderr}"
    );
}

/// Returns the epoch of a count of the recorded session, and what was counted.
fn counted() -> (u64, u64) {
    let mut frames = Frames::open(V1).unwrap();
    let mut frame = Vec::new();
    while frames.next(&mut frame).unwrap() {
        let mut rest = Bytes(&frame);
        while let Some(chunk) = chunks::next(&mut rest, &mut Budget::default()).unwrap() {
            if let Chunk::Input(input, _) = chunk
                && let Input::Sweep(sweep) = *input
                && let Some((epoch, key, _)) = sweep.counts.iter().find(|(_, key, _)| key.tgid > 1)
            {
                return (*epoch, key.count_key.0);
            }
        }
    }
    panic!("the recording has no counts");
}

/// A sweep of counts that each have an owner of their own.
fn owners(count: usize) -> Vec<u8> {
    let mut body = Vec::new();
    put_part(&mut body, &[0xc0]);
    body.push(1);
    put(&mut body, count as u64);
    put(&mut body, 6);
    let (epoch, count_key) = counted();
    for (column, first) in [epoch, 0, 0, count_key, 1, 1].into_iter().enumerate() {
        let mut words = Vec::new();
        if column == OWNER {
            words = PROCESS_STEP.repeat(count);
        } else {
            put(&mut words, difference(0, first));
            words.resize(words.len() + count - 1, 0);
        }
        put_part(&mut body, &words);
    }
    let mut chunks = Vec::new();
    chunk::put(&mut chunks, ChunkKind::Sweep, &body);
    chunks
}

/// The column with thread and process.
const OWNER: usize = 2;
/// The difference between two processes in that column: 1 in its upper half.
const PROCESS_STEP: [u8; 5] = [0x80, 0x80, 0x80, 0x80, 0x20];

/// Repeats a piece of MessagePack as a list, as long as a frame may be.
fn list(kind: ChunkKind, piece: &[u8]) -> Vec<u8> {
    let count = LARGE / piece.len();
    let mut body = vec![0xdd];
    body.extend(u32::try_from(count).unwrap().to_be_bytes());
    body.extend(piece.repeat(count));
    let mut chunks = Vec::new();
    chunk::put(&mut chunks, kind, &body);
    chunks
}

#[test]
fn a_sweep_of_endless_owners_is_refused() {
    refused("owners", &owners(LARGE / 10));
    // Few enough for a sweep, too many to be processes of so short a recording.
    refused("processes", &owners(100_000));
}

#[test]
fn stacks_without_addresses_are_refused_when_they_are_too_many() {
    refused("stacks", &list(ChunkKind::Stacks, &[0x92, 0, 0x90]));
}

#[test]
fn readings_without_fields_are_refused_when_they_are_too_many() {
    refused("readings", &list(ChunkKind::Residency, &[0x80]));
}

#[test]
fn readings_among_facts_are_taken_once() {
    let mut chunks = Vec::new();
    let facts = (0..20_000).map(|pid| Fact::Identity(Pid(pid), None));
    put_facts(&mut chunks, &facts.collect::<Vec<_>>());
    let mut empty = Vec::new();
    chunk::put(&mut empty, ChunkKind::Residency, &[]);
    chunks.extend(empty.repeat(LARGE / 4));
    refused("residency", &chunks);
}

#[test]
fn mappings_are_assigned_a_bounded_number_of_times() {
    let made = |pid| MappingMade {
        pid: Pid(pid),
        time_ns: 1,
        start: 0x1000,
        end: 0x2000,
        executable: true,
        writable: false,
        shared: false,
        offset: 0,
        file: None,
        name: Name::from("x"),
    };
    let waiting = Input::MappingRecords((1_000_000..1_016_384).map(made).collect(), 0);
    let mut chunks = Vec::new();
    put_input(&mut chunks, &waiting, None);
    let mut assigning = Vec::new();
    put_input(&mut assigning, &Input::AssignMappings, None);
    chunk::put(&mut assigning, ChunkKind::Residency, &[]);
    chunks.extend(assigning.repeat(LARGE / 8));
    refused("assigning", &chunks);
}

#[test]
fn a_frame_that_unpacks_to_thousands_of_times_its_bytes_is_refused() {
    let zeros = vec![0; 200 << 20];
    refused("frame", &zeros);
}

#[test]
fn a_hundred_thousand_processes_are_read() {
    let mut chunks = Vec::new();
    let sweep = Input::Sweep(machine(100_000));
    put_input(&mut chunks, &sweep, None);
    let path = recording("many", &chunks, false);
    let (reports, outcome) = read(&fs::read(path).unwrap(), Wanted::default()).unwrap();
    assert_eq!(reports.len(), 1);
    assert!(outcome.remarks.is_empty(), "{outcome:?}");
    assert!(reports[0].processes.len() >= 100_000);
}

/// A sweep of a machine with so many processes that each began at a time of its own.
fn machine(processes: u32) -> Sweep {
    let (epoch, count_key) = counted();
    let counts = (1..=processes).map(|pid| {
        let mixed = pid.wrapping_mul(0x9e37_79b9);
        let start = mixed ^ (mixed.wrapping_mul(mixed) >> 7);
        let key = TotalKey {
            start_ns: u64::from(start) << 8,
            tid: pid,
            tgid: pid,
            count_key: CountKey(count_key),
        };
        let [count, amount] = [u64::from(pid % 200) + 1; 2];
        (epoch, key, TotalValue { count, amount })
    });
    Sweep {
        consistent: true,
        counts: counts.collect(),
    }
}

/// The state of a session that a flight recorder writes when it drops the beginning.
#[test]
fn the_sums_of_a_hundred_thousand_processes_are_within_the_budget() {
    let mut ingest = Ingest::new(ReplayedFacts::default());
    let mut frames = Frames::open(V1).unwrap();
    let mut frame = Vec::new();
    while frames.next(&mut frame).unwrap() {
        let mut rest = Bytes(&frame);
        while let Some(chunk) = chunks::next(&mut rest, &mut Budget::default()).unwrap() {
            if let Chunk::Input(input, _) = chunk
                && !matches!(*input, Input::Boundary(..))
            {
                ingest.apply(&input);
            }
        }
    }
    ingest.apply(&Input::Sweep(machine(100_000)));
    let base = ingest.base(Economy::default()).unwrap();
    let packed = Packer::new().unwrap().pack(&base).unwrap().len();
    let mut budget = Budget::default();
    budget.read_up_to(u64::try_from(packed).unwrap());
    assert!(base.len() > 10_000_000 && packed < base.len() / 4);
    budget.values(&base).unwrap();
}
