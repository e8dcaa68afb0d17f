//! Tasks that are sent away while they run: their CPU goes offline, or their cpuset no longer has
//! it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use numatrace_tests::harness::programs;
use numatrace_tests::harness::report::Report;
use numatrace_tests::harness::running::Running;
use numatrace_tests::harness::skipped;
use numatrace_tests::harness::tracer::{DEADLINE, READY, Tracer};
use numatrace_tests::test_name;

use crate::support::machine::{at, nodes};
use crate::two_nodes_or_skip;

/// Files that are written back as they were on drop, the last one first; a folder is removed.
struct Undo(Vec<(PathBuf, Option<String>)>);

impl Undo {
    fn write(&mut self, path: PathBuf, value: &str, back: &str) -> std::io::Result<()> {
        fs::write(&path, value)?;
        self.0.push((path, Some(back.to_owned())));
        Ok(())
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        for (path, back) in self.0.iter().rev() {
            let done = match back {
                Some(value) => fs::write(path, value),
                None => fs::remove_dir(path),
            };
            if let Err(error) = done {
                eprintln!("cannot set {} back: {error}", path.display());
            }
        }
    }
}

/// Returns the CPU that the worker thread of a process is on, `None` before there is one.
fn worker_cpu(pid: u32) -> Option<u32> {
    fs::read_dir(format!("/proc/{pid}/task"))
        .ok()?
        .flatten()
        .find(|task| {
            fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim() == "worker")
        })
        .and_then(|task| {
            let stat = fs::read_to_string(task.path().join("stat")).ok()?;
            // Field 39, counted from behind the name, which may hold any character.
            let (_, rest) = stat.rsplit_once(')')?;
            rest.split_whitespace().nth(36)?.parse().ok()
        })
}

/// Polls until the worker runs on one of these CPUs, or on none of them.
fn wait_for_worker(pid: u32, cpus: &[u32], there: bool) {
    let deadline = Instant::now() + DEADLINE;
    while worker_cpu(pid).is_none_or(|cpu| cpus.contains(&cpu) != there) {
        assert!(
            Instant::now() < deadline,
            "the worker is on CPU {:?}; among {cpus:?}: should be {there}",
            worker_cpu(pid)
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Traces a worker that runs on `from` until `push` has sent it to a different node. `push` gets
/// its process; an error of `push` is a reason to skip.
fn pushed(
    name: &str,
    from: u32,
    push: impl FnOnce(u32, &mut Undo) -> std::io::Result<()>,
) -> Result<(Report, u64), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    // Read before the node loses its CPUs.
    let cpus = nodes().cpus(from).to_vec();
    let from_word = from.to_string();
    let mut program = Running::start(Command::new(programs::workload().unwrap()).args([
        "--start-on-stdin",
        "first-touch",
        "--init-node",
        &from_word,
        "--use-node",
        &from_word,
        "--pages",
        "64",
        "--secs",
        "6",
    ]))
    .unwrap();
    program.wait_for("workload: ready", DEADLINE).unwrap();
    let pid = program.pid();
    let mut command = Tracer::new(name).command(&path).unwrap();
    let tracer = Running::start(command.args(["-p", &pid.to_string()])).unwrap();
    tracer.wait_for(READY, DEADLINE).unwrap();
    program.send("\n").unwrap();
    wait_for_worker(pid, &cpus, true);
    let mut undo = Undo(Vec::new());
    let done = push(pid, &mut undo);
    if done.is_ok() {
        wait_for_worker(pid, &cpus, false);
    }
    drop(undo);
    let finished = program.finish(DEADLINE).unwrap();
    let traced = tracer.finish(DEADLINE).unwrap();
    done.map_err(|error| error.to_string())?;
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    assert_eq!(traced.status.code(), Some(0), "{traced:?}");
    Ok((Report::read(&path).unwrap(), u64::from(pid)))
}

/// Asserts that the process has at least one move of that reason, and one that left the node.
fn has_reason(report: &Report, pid: u64, from: u32, reason: &str) {
    let process = report.process(pid).expect("the workload is in the report");
    let moves = &process.0["task_moves"];
    let counted = process.count(&format!("/task_moves/by_reason/{reason}"));
    assert!(counted > Some(0), "no {reason}: {moves}");
    let matrix = process.matrix("/task_moves/matrix").unwrap();
    // The diagonal is 0: a move within a node is none here.
    assert!(matrix[at(from)].iter().sum::<u64>() > 0, "{moves}");
}

#[test]
fn a_cpu_that_goes_offline_sends_its_task_away() {
    let (_, b) = two_nodes_or_skip!();
    let cpus = nodes().cpus(b).to_vec();
    let run = pushed(test_name!(), b, |_, undo| {
        for cpu in &cpus {
            let file = PathBuf::from(format!("/sys/devices/system/cpu/cpu{cpu}/online"));
            undo.write(file, "0", "1")?;
        }
        Ok(())
    });
    match run {
        Ok((report, pid)) => has_reason(&report, pid, b, "hotplug"),
        Err(why) => skipped(
            test_name!(),
            &format!("CPUs cannot be taken offline: {why}"),
        ),
    }
}

#[test]
fn a_cpuset_that_shrinks_sends_its_task_away() {
    let (a, b) = two_nodes_or_skip!();
    let cpus = nodes().cpus(a).to_vec();
    let list: Vec<String> = cpus.iter().map(u32::to_string).collect();
    let run = pushed(test_name!(), b, |pid, undo| {
        let root = Path::new("/sys/fs/cgroup");
        undo.write(root.join("cgroup.subtree_control"), "+cpuset", "-cpuset")?;
        let group = root.join(format!("numatrace-test-{pid}"));
        fs::create_dir(&group)?;
        undo.0.push((group.clone(), None));
        let back = pid.to_string();
        undo.write(group.join("cgroup.procs"), &back, "")?;
        // On the way back the process leaves the group, so that the group can be removed.
        undo.0.pop();
        undo.0.push((root.join("cgroup.procs"), Some(back)));
        fs::write(group.join("cpuset.cpus"), list.join(","))
    });
    match run {
        Ok((report, pid)) => {
            has_reason(&report, pid, b, "cpuset");
            let process = report.process(pid).expect("the workload");
            let threads = process.0["threads"].as_array().expect("threads");
            let bound = |thread: &&serde_json::Value| {
                let binds = thread["binds"].as_array();
                binds.is_some_and(|binds| binds.iter().any(|bind| bind["what"] == "cpuset_cpus"))
            };
            assert!(threads.iter().any(|thread| bound(&thread)), "{threads:#?}");
        }
        Err(why) => skipped(test_name!(), &format!("no cpuset to shrink: {why}")),
    }
}
