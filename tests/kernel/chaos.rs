//! A machine that misbehaves while it is traced: a clock that jumps, a disk that is full, memory
//! that runs out, many tracers at once. Counts are exact, or the loss is told, and nothing stays in
//! the kernel.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::Signal;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime, clock_settime};
use numatrace_tests::harness::bpf;
use numatrace_tests::harness::programs;
use numatrace_tests::harness::report::Report;
use numatrace_tests::harness::running::{Finished, Running};
use numatrace_tests::harness::tracer::{DEADLINE, READY};
use numatrace_tests::harness::waiting::until;
use numatrace_tests::harness::{left_out, skipped};
use numatrace_tests::{test_name, tracer};

use crate::support::closed::closed;
use crate::two_nodes_or_skip;

/// The kernel frees programs after a grace period, and trampolines after several more.
const FREED: Duration = Duration::from_secs(60);
/// Far enough for every sum of seconds to show it.
const DAY: i64 = 24 * 3600;

/// A wall clock that is put right at the end.
struct Clock(TimeSpec, Instant);

impl Clock {
    fn new() -> Self {
        let now = clock_gettime(ClockId::CLOCK_REALTIME).unwrap();
        Self(now, Instant::now())
    }

    /// Sets the clock to so many seconds beside the right time.
    fn jump(&self, seconds: i64) {
        let passed = TimeSpec::from_duration(self.1.elapsed());
        let wrong = self.0 + passed + TimeSpec::new(seconds, 0);
        clock_settime(ClockId::CLOCK_REALTIME, wrong).unwrap();
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.jump(0);
    }
}

fn workload(args: &str) -> Finished {
    let mut command = Command::new(programs::workload().unwrap());
    let running = Running::start(command.args(args.split(' '))).unwrap();
    let done = running.finish(DEADLINE).unwrap();
    assert!(done.status.success(), "{done:?}");
    done
}

fn path(folder: &tempfile::TempDir, name: &str) -> PathBuf {
    match std::env::var_os("NUMATRACE_ARTIFACTS") {
        Some(artifacts) => Path::new(&artifacts).join(format!("report-chaos-{name}.json")),
        None => folder.path().join(name),
    }
}

#[test]
fn a_wall_clock_that_jumps_costs_no_count_and_makes_no_time() {
    let (a, b) = two_nodes_or_skip!();
    let folder = tempfile::tempdir().unwrap();
    let path = path(&folder, "clock");
    let clock = Clock::new();
    let tracer = Running::start(&mut tracer!().command(&path).unwrap()).unwrap();
    tracer.wait_for(READY, DEADLINE).unwrap();
    let begun = Instant::now();
    for jump in [DAY, -DAY, 0] {
        clock.jump(jump);
        workload(&format!("bind --node {b} --pages 500 --cpu-node {a}"));
    }
    clock.jump(-3 * DAY);
    tracer.signal(Signal::SIGINT).unwrap();
    let end = tracer.finish(DEADLINE).unwrap();
    let took = begun.elapsed().as_secs_f64();
    assert!(end.status.success(), "{end:?}");
    let report = Report::read(&path).unwrap();
    closed(&report);
    let lasted = report.value["session"]["duration_s"].as_f64().unwrap();
    assert!(lasted > 0.0 && lasted < took + 5.0, "{lasted} s of {took}");
}

#[test]
fn a_wall_clock_that_jumps_ends_no_session_early_and_none_late() {
    let folder = tempfile::tempdir().unwrap();
    for jump in [DAY, -DAY] {
        let clock = Clock::new();
        let path = folder.path().join("report.json");
        let mut command = tracer!().command(&path).unwrap();
        let tracer = Running::start(command.args(["-d", "3"])).unwrap();
        tracer.wait_for(READY, DEADLINE).unwrap();
        clock.jump(jump);
        let end = tracer.finish(DEADLINE).unwrap();
        assert!(end.status.success(), "{end:?}");
        let report = Report::read(&path).unwrap();
        assert_eq!(report.value["session"]["ended_by"], "duration");
        let lasted = report.value["session"]["duration_s"].as_f64().unwrap();
        assert!((2.9..30.0).contains(&lasted), "{lasted} s, jump {jump}");
    }
}

/// A small file system of its own.
struct Disk(tempfile::TempDir);

impl Disk {
    fn of(size: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let kind = Some("tmpfs");
        mount(
            kind,
            folder.path(),
            kind,
            MsFlags::empty(),
            Some(options.as_str()),
        )
        .unwrap();
        Self(folder)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = umount2(self.0.path(), MntFlags::MNT_DETACH);
    }
}

/// Runs `sh -c SCRIPT` in a folder, in which `"$TRACE"` is numatrace.
fn shell(folder: &Path, script: &str) -> Finished {
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(folder);
    command.env("TRACE", programs::numatrace().unwrap());
    let running = Running::start(&mut command).unwrap();
    running.finish(DEADLINE).unwrap()
}

#[test]
fn a_full_disk_leaves_whole_lines_and_an_older_report() {
    let disk = Disk::of("64k");
    let folder = disk.0.path();
    let command = "trace -i 0.2 -f json -o lines -- sleep 1000";
    let end = shell(folder, &format!("\"$TRACE\" {command}"));
    assert_eq!(end.status.code(), Some(1), "{end:?}");
    assert!(end.stderr.contains("cannot write the report"), "{end:?}");
    let text = std::fs::read_to_string(folder.join("lines")).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    for line in text.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("a line is a document");
    }
    std::fs::remove_file(folder.join("lines")).unwrap();

    std::fs::write(folder.join("report"), "older\n").unwrap();
    std::fs::write(folder.join("rest"), vec![0; 56 << 10]).unwrap();
    let end = shell(folder, "\"$TRACE\" trace -d 1 -f json -o report");
    assert_eq!(end.status.code(), Some(1), "{end:?}");
    assert!(end.stderr.contains("No space left"), "{end:?}");
    let report = std::fs::read_to_string(folder.join("report")).unwrap();
    assert_eq!(report, "older\n");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 2);
}

#[test]
fn a_full_disk_ends_a_recording_with_a_part_that_can_be_read() {
    let disk = Disk::of("64k");
    let folder = disk.0.path();
    std::fs::write(folder.join("rest"), vec![0; 56 << 10]).unwrap();
    let load = format!(
        "{} fork-storm --count 300",
        programs::workload().unwrap().display()
    );
    let end = shell(folder, &format!("\"$TRACE\" record -o r.nmt -- {load}"));
    assert!(end.stderr.contains("No space left"), "{end:?}");
    let end = shell(folder, "\"$TRACE\" report -f json r.nmt");
    // Its first part may not have had room, and is missed then.
    assert!(
        end.status.success() || end.stderr.contains("hint:"),
        "{end:?}"
    );
}

#[test]
fn a_tracer_that_the_kernel_kills_for_its_memory_leaves_nothing() {
    let top = Path::new("/sys/fs/cgroup");
    let _ = std::fs::write(top.join("cgroup.subtree_control"), "+memory");
    let group = top.join("numatrace-chaos");
    std::fs::create_dir_all(&group).unwrap();
    let limit = group.join("memory.max");
    if !limit.exists() {
        std::fs::remove_dir(&group).unwrap();
        return skipped(test_name!(), "no memory cgroups");
    }
    let within = format!("echo $$ > {}/cgroup.procs", group.display());
    // Memory of the tracer's maps is freed late: something else goes meanwhile.
    let mut ballast = Command::new("sh");
    ballast.args(["-c", &format!("{within}; exec \"$0\" hold --pages 12288")]);
    ballast.arg(programs::workload().unwrap());
    let ballast = Running::start(&mut ballast).unwrap();
    ballast.wait_for_output("}\n", DEADLINE).unwrap();
    let script = format!(
        "{within}; echo 1000 > /proc/self/oom_score_adj; \
         exec \"$TRACE\" trace -f json -o /dev/null"
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]);
    command.env("TRACE", programs::numatrace().unwrap());
    let pins = bpf::pins();
    let tracer = Running::start(&mut command).unwrap();
    tracer.wait_for(READY, DEADLINE).unwrap();
    let ours = bpf::held_by(tracer.pid()).unwrap();
    assert!(!ours.is_empty());
    // Less than there is by a part that cannot be reclaimed.
    let current = std::fs::read_to_string(group.join("memory.current")).unwrap();
    let lower = current.trim().parse::<u64>().unwrap() - (16 << 20);
    std::fs::write(&limit, lower.to_string()).unwrap();
    let end = tracer.finish(DEADLINE).unwrap();
    assert_eq!(end.status.code(), None, "it was killed: {end:?}");
    assert_eq!(bpf::left_after(&ours, FREED).unwrap(), bpf::Ids::new());
    assert_eq!(bpf::pins(), pins);
    drop(ballast);
    until("the end of the cgroup", DEADLINE, || {
        std::fs::remove_dir(&group).is_ok()
    });
}

/// Returns the memory that is free, MiB.
fn available() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap() / 1024
}

/// Memory of one tracer on a small guest with its maps, and as much again for the kernel's work at
/// its start, MiB.
const OF_A_TRACER: u64 = 180;

/// Time for the start or the end of a tracer among many.
const MANY: Duration = Duration::from_secs(300);

#[test]
fn twelve_tracers_at_once_count_the_same_and_leave_nothing() {
    let (a, b) = two_nodes_or_skip!();
    let room = usize::try_from(available() / OF_A_TRACER).unwrap();
    if room < 12 {
        left_out(test_name!(), &format!("there is memory for {room} only"));
    }
    let folder = tempfile::tempdir().unwrap();
    let before = bpf::alive().unwrap();
    let mut tracers = Vec::new();
    for number in 0..room.min(12) {
        let path = path(&folder, &format!("twelve-{number}"));
        let mut command = tracer!().command(&path).unwrap();
        // The hooks that meet most often: with all of them an emulated machine does nothing else.
        command.args(["--hooks", "page_alloc,page_fault", "--no-residency"]);
        let tracer = Running::start(&mut command).unwrap();
        // One after the other, so that each one's start is in the others' sessions.
        tracer.wait_for(READY, MANY).unwrap();
        tracers.push((tracer, path));
    }
    assert!(tracers.len() >= 3);
    let pages = 1500;
    let load = workload(&format!("bind --node {b} --pages {pages} --cpu-node {a}"));
    let truth = numatrace_tests::harness::truth::Truth::parse(&load.stdout).unwrap();
    for (tracer, path) in tracers {
        tracer.signal(Signal::SIGINT).unwrap();
        let end = tracer.finish(MANY).unwrap();
        assert!(end.status.success(), "{end:?}");
        let report = Report::read(&path).unwrap();
        closed(&report);
        let process = report.process(truth.pid()).expect("it is in the report");
        let touched = process.matrix("/first_touch/pages").unwrap();
        let touched: u64 = touched.iter().flatten().sum();
        assert!(touched >= pages, "{touched} pages of {pages}");
    }
    let left: bpf::Ids = bpf::alive().unwrap().difference(&before).copied().collect();
    assert_eq!(bpf::left_after(&left, FREED).unwrap(), bpf::Ids::new());
}
