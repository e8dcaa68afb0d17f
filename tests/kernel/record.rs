//! Recordings: the report of a recording is the session's own, however the recorder ended.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount, umount};
use nix::sys::signal::Signal;
use numatrace_tests::harness::programs;
use numatrace_tests::harness::running::{Finished, Running};
use numatrace_tests::harness::tracer::{DEADLINE, READY};
use serde_json::Value;

/// Returns a folder, and the path of a recording in it.
fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("session.nmt");
    (folder, file)
}

fn record(file: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(programs::numatrace().unwrap());
    command.args(["record", "-o"]).arg(file).args(args);
    command
}

fn ended(command: &mut Command) -> Finished {
    Running::start(command).unwrap().finish(DEADLINE).unwrap()
}

fn report(file: &Path, args: &[&str]) -> Finished {
    let mut command = Command::new(programs::numatrace().unwrap());
    ended(command.arg("report").arg(file).args(args))
}

/// Records with `--report` and reads the recording. Returns both reports, which must be equal.
fn both(args: &[&str], read: &[&str]) -> (String, String) {
    let (_folder, file) = place();
    let output = ended(&mut record(&file, args));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let again = report(&file, read);
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    assert_eq!(again.stderr, "", "nothing is missing");
    (output.stdout, again.stdout)
}

/// The workload and its arguments behind `--`.
fn workload(args: &str) -> Vec<String> {
    let program = programs::workload().unwrap().display().to_string();
    let words = args.split(' ').map(str::to_owned);
    ["--".to_owned(), program]
        .into_iter()
        .chain(words)
        .collect()
}

fn with<'a>(args: &[&'a str], workload: &'a [String]) -> Vec<&'a str> {
    let workload = workload.iter().map(String::as_str);
    args.iter().copied().chain(workload).collect()
}

#[test]
fn text_of_a_recording_is_the_session_s_own_byte_for_byte() {
    let (live, again) = both(&["--report", "-d", "1"], &[]);
    assert!(live.starts_with("numatrace record: "), "{live}");
    assert_eq!(live, again);
}

#[test]
fn json_of_a_command_s_recording_is_the_session_s_own() {
    let workload = workload("spawn-tree --pages 500 --threads 2");
    let args = with(&["--report", "-f", "json"], &workload);
    let (live, again) = both(&args, &["-f", "json"]);
    let value: Value = serde_json::from_str(&live).unwrap();
    assert!(value["coverage"]["records"].as_u64().unwrap() > 0);
    assert_eq!(live, again);
}

#[test]
fn stacks_and_residency_are_in_the_recording_with_the_names_they_had() {
    let workload = workload("touch --mib 4");
    let args = with(&["--report", "-f", "json", "--residency"], &workload);
    let (live, again) = both(&args, &["-f", "json"]);
    assert_eq!(live, again);
}

#[test]
fn each_interval_is_there_and_together_they_are_the_session() {
    let (_folder, file) = place();
    let output = ended(&mut record(
        &file,
        &["--report", "-f", "json", "-i", "400ms", "-d", "1.2"],
    ));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(output.stdout, report(&file, &["-f", "json"]).stdout);
    let sum = |text: &str| -> u64 {
        let pages = text.lines().flat_map(|line| {
            let report: Value = serde_json::from_str(line).unwrap();
            let nodes = report["audit"]["nodes"].as_array().unwrap().clone();
            nodes.into_iter().map(|node| {
                let traced = |counter: &str| node[counter]["traced"].as_u64().unwrap();
                traced("local_node") + traced("other_node")
            })
        });
        pages.sum()
    };
    let whole = report(&file, &["-f", "json", "--whole"]);
    assert_eq!(whole.stdout.lines().count(), 1, "{whole:?}");
    assert!(sum(&whole.stdout) > 0, "{whole:?}");
    assert_eq!(sum(&whole.stdout), sum(&output.stdout));
}

/// Waits until a file has so many bytes.
fn grown(file: &Path, bytes: u64) {
    let until = Instant::now() + DEADLINE;
    while fs::metadata(file).map_or(0, |found| found.len()) < bytes {
        assert!(Instant::now() < until, "the recording does not grow");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn a_killed_recorder_leaves_a_recording_that_says_so() {
    let (folder, file) = place();
    let recorder = Running::start(&mut record(&file, &[])).unwrap();
    recorder.wait_for(READY, DEADLINE).unwrap();
    let begun = fs::metadata(&file).unwrap().len();
    grown(&file, begun + 1);
    recorder.signal(Signal::SIGKILL).unwrap();
    recorder.finish(DEADLINE).unwrap();
    let output = report(&file, &["-f", "json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let cut = "ends before its session did";
    assert!(output.stderr.contains(cut), "{}", output.stderr);
    let value: Value = serde_json::from_str(&output.stdout).unwrap();
    let incomplete = value["coverage"]["incomplete"].as_str().unwrap();
    assert!(incomplete.contains(cut), "{incomplete}");
    assert_eq!(value["audit"]["verdict"], "unavailable");
    assert!(!value["processes"].as_array().unwrap().is_empty());
    let text = report(&file, &[]).stdout;
    assert!(
        text.contains(&format!("Incomplete: the recording {cut}")),
        "{text}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "litter");
}

#[test]
fn a_full_disk_ends_the_recording_and_leaves_what_fitted() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let none: Option<&str> = None;
    mount(
        none,
        &disk,
        Some("tmpfs"),
        MsFlags::empty(),
        Some("size=128k"),
    )
    .unwrap();
    let file = disk.join("session.nmt");
    let workload = workload("fork-storm --count 3000");
    let output = ended(&mut record(
        &file,
        &with(&["--report", "-f", "json"], &workload),
    ));
    let again = report(&file, &["-f", "json"]);
    let left = fs::read_dir(&disk).unwrap().count();
    umount(&disk).unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stderr.contains("No space left"), "{}", output.stderr);
    serde_json::from_str::<Value>(&output.stdout).expect("the session's own report is whole");
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    assert!(again.stderr.contains("ends before"), "{}", again.stderr);
    assert_eq!(left, 1, "litter");
}

/// Runs a session with a limit that its details do not fit into: the sums of its report and of the
/// recording's are equal, since they cover all of it.
fn limited(keep: &str) -> String {
    let (folder, file) = place();
    let workload = workload("fork-storm --count 6000");
    let args = [
        "--report",
        "-f",
        "json",
        "--max-size",
        "64K",
        "--keep",
        keep,
    ];
    let output = ended(&mut record(&file, &with(&args, &workload)));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let again = report(&file, &["-f", "json"]);
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    let length = fs::metadata(&file).unwrap().len();
    assert!(length <= 64 << 10, "{length} bytes");
    let [live, read] = [&output.stdout, &again.stdout]
        .map(|report| serde_json::from_str::<Value>(report).expect("a report"));
    for part in ["session", "hooks", "cost", "audit", "system"] {
        assert_eq!(live[part], read[part], "{part}");
    }
    let moved = read["system"]["task_moves"]["total"].as_u64().unwrap();
    assert!(moved > 0, "6,000 children and not one changed its CPU");
    let left_out = read["coverage"]["incomplete"].as_str().unwrap();
    assert!(left_out.contains("no room for"), "{left_out}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "litter");
    again.stderr
}

#[test]
fn the_last_of_a_session_is_kept_and_its_sums_are_whole() {
    let note = limited("last");
    assert!(note.contains("keeps the last part"), "{note}");
}

#[test]
fn the_first_of_a_session_is_kept_and_its_sums_are_whole() {
    let note = limited("first");
    assert!(note.contains("was full"), "{note}");
}

#[test]
fn an_older_recording_stays_until_a_session_begins_and_no_link_is_followed() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let (folder, file) = place();
    fs::write(&file, "precious").unwrap();
    let missing = ended(&mut record(&file, &["--", "no-such-command-anywhere"]));
    assert_eq!(missing.status.code(), Some(127), "{missing:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    let link = folder.path().join("link");
    symlink(&file, &link).unwrap();
    let linked = ended(&mut record(&link, &["-d", "1"]));
    assert_eq!(linked.status.code(), Some(1), "{linked:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    let output = ended(&mut record(&file, &["-d", "1"]));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
