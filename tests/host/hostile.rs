//! Programs whose files are hostile to whoever reads them: the session ends as any other, with
//! everything but their names.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::{sys::stat::Mode, unistd::mkfifo};
use numatrace_tests::harness::report::Report;
use numatrace_tests::harness::running::{Finished, Running};
use numatrace_tests::harness::tracer::{DEADLINE, READY};
use numatrace_tests::harness::truth::Truth;
use numatrace_tests::harness::{contract, programs};
use numatrace_tests::tracer;
use serde_json::Value;

const TOUCH: [&str; 3] = ["touch", "--mib", "40"];
/// Time for the report, besides what the session takes.
const REPORT: Duration = Duration::from_secs(10);

/// Returns a copy of the workload that objcopy has changed.
fn changed(folder: &Path, args: &[&str]) -> PathBuf {
    let path = folder.join("hostile");
    let mut objcopy = Command::new("objcopy");
    objcopy
        .args(args)
        .arg(programs::workload().unwrap())
        .arg(&path);
    assert!(objcopy.status().unwrap().success(), "{objcopy:?}");
    path
}

/// Lets a compressed section claim that it is much larger than it is.
fn inflate(path: &Path, section: &str, size: u64) {
    let mut readelf = Command::new("readelf");
    let listed = readelf.args(["-SW"]).arg(path).output().unwrap();
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let line = text.lines().find(|line| line.contains(section)).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "PROGBITS").unwrap();
    let at = usize::from_str_radix(words[at + 2], 16).unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    // Type and a reserved word stand before the size.
    bytes[at + 8..at + 16].copy_from_slice(&size.to_le_bytes());
    std::fs::write(path, bytes).unwrap();
}

/// Traces a program by its command, and checks that the session was complete.
fn traced(program: &Path) -> (Report, Finished) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let mut command = tracer!().command(&path).unwrap();
    let tracer = Running::start(command.arg("--").arg(program).args(TOUCH)).unwrap();
    let finished = tracer.finish(DEADLINE).unwrap();
    checked(&path, finished)
}

fn checked(path: &Path, finished: Finished) -> (Report, Finished) {
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    contract::check(path).unwrap();
    let report = Report::read(path).unwrap();
    (report, finished)
}

/// Returns the frames of a program's own code.
fn own_frames(report: &Report) -> Vec<Value> {
    let stacks = report.value["stacks"].as_array().unwrap();
    let frames = stacks.iter().filter_map(|stack| stack["frames"].as_array());
    let own = frames
        .flatten()
        .filter(|frame| frame["module"] == "hostile");
    let own: Vec<Value> = own.cloned().collect();
    assert!(!own.is_empty(), "{stacks:#?}");
    own
}

fn unnamed_files(report: &Report) -> u64 {
    let files = &report.value["coverage"]["unnamed_files"];
    let files = files.as_object().unwrap().values();
    files.filter_map(Value::as_u64).sum()
}

/// Checks that the program's pages are counted, whatever its file is.
fn assert_counted(report: &Report, truth: &Truth) {
    let process = report.process(truth.pid()).unwrap();
    let pages: u64 = process.vector("/alloc/pages").unwrap().iter().sum();
    assert!(pages >= truth.count("pages").unwrap(), "{pages} pages");
}

#[test]
fn debug_information_that_claims_to_be_huge_costs_the_names_of_its_file() {
    for size in [u64::MAX, 1 << 46] {
        let folder = tempfile::tempdir().unwrap();
        let program = changed(folder.path(), &["--compress-debug-sections=zlib"]);
        inflate(&program, ".debug_info", size);
        let (report, finished) = traced(&program);
        assert_counted(&report, &Truth::parse(&finished.stdout).unwrap());
        for frame in own_frames(&report) {
            assert!(frame["symbol"].is_null(), "{frame}");
            assert!(frame["reason"].is_string(), "{frame}");
        }
        assert_eq!(unnamed_files(&report), 1);
    }
}

#[test]
fn a_recording_of_such_a_program_says_the_same_as_its_session() {
    let folder = tempfile::tempdir().unwrap();
    let program = changed(folder.path(), &["--compress-debug-sections=zlib"]);
    inflate(&program, ".debug_info", u64::MAX);
    let (recording, path) = (folder.path().join("r.nmt"), folder.path().join("r.json"));
    let numatrace = programs::numatrace().unwrap();
    let mut record = Command::new(&numatrace);
    record.args(["record", "-o"]).arg(&recording).arg("--");
    let recorded = Running::start(record.arg(&program).args(TOUCH)).unwrap();
    let recorded = recorded.finish(DEADLINE).unwrap();
    assert_eq!(recorded.status.code(), Some(0), "{recorded:?}");
    let mut report = Command::new(&numatrace);
    report.arg("report").arg(&recording);
    let report = Running::start(report.args(["-f", "json", "-o"]).arg(&path)).unwrap();
    let (report, _) = checked(&path, report.finish(DEADLINE).unwrap());
    assert_counted(&report, &Truth::parse(&recorded.stdout).unwrap());
    assert_eq!(unnamed_files(&report), 1);
    assert!(
        own_frames(&report)
            .iter()
            .all(|frame| frame["symbol"].is_null())
    );
}

#[test]
fn a_link_to_a_fifo_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("symbols");
    std::fs::write(&fifo, "symbols").unwrap();
    let link = format!("--add-gnu-debuglink={}", fifo.display());
    let program = changed(folder.path(), &["--strip-debug", &link]);
    std::fs::remove_file(&fifo).unwrap();
    mkfifo(&fifo, Mode::S_IRWXU).unwrap();

    let reports = tempfile::tempdir().unwrap();
    let path = reports.path().join("report.json");
    let mut waiting =
        Running::start(Command::new(&program).arg("--start-on-stdin").args(TOUCH)).unwrap();
    waiting.wait_for("workload: ready", DEADLINE).unwrap();
    let mut command = tracer!().command(&path).unwrap();
    let tracer = Running::start(command.args(["-p", &waiting.pid().to_string()])).unwrap();
    tracer.wait_for(READY, DEADLINE).unwrap();
    waiting.send("\n").unwrap();
    let truth = Truth::parse(&waiting.finish(DEADLINE).unwrap().stdout).unwrap();
    let began = Instant::now();
    let (report, _) = checked(&path, tracer.finish(DEADLINE).unwrap());
    assert!(began.elapsed() < REPORT, "{:?}", began.elapsed());
    assert_counted(&report, &truth);
    // The program's own symbols are there all the same.
    let frames = own_frames(&report);
    assert!(
        frames.iter().any(|frame| frame["symbol"].is_string()),
        "{frames:#?}"
    );
    assert!(
        frames.iter().all(|frame| frame["line"].is_null()),
        "{frames:#?}"
    );
}
