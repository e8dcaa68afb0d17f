//! CPUs and memory that come and go during a session: the totals close, and no time is counted
//! twice.

use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use numatrace_tests::harness::programs;
use numatrace_tests::harness::report::Report;
use numatrace_tests::harness::running::Running;
use numatrace_tests::harness::skipped;
use numatrace_tests::harness::tracer::{DEADLINE, READY};
use numatrace_tests::harness::truth::Truth;
use numatrace_tests::{test_name, tracer};

use crate::support::closed::closed;
use crate::support::machine::{at, nodes};
use crate::two_nodes_or_skip;

/// A CPU or a memory block, by its switch in sysfs; switched on again at the end.
struct Switch(PathBuf, &'static str);

impl Switch {
    fn set(&self, value: &str) -> std::io::Result<()> {
        std::fs::write(&self.0, value)
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let _ = self.set(self.1);
    }
}

/// Returns the last CPU of a node, unless it cannot be switched off.
fn last_cpu(node: u32) -> Option<(u32, Switch)> {
    let cpu = *nodes().cpus(node).last()?;
    let path = PathBuf::from(format!("/sys/devices/system/cpu/cpu{cpu}/online"));
    path.exists().then_some((cpu, Switch(path, "1")))
}

/// Returns the memory blocks of a node that the kernel calls removable.
fn blocks(node: u32) -> Vec<Switch> {
    let Ok(entries) = std::fs::read_dir(format!("/sys/devices/system/node/node{node}")) else {
        return Vec::new();
    };
    let entries = entries.filter_map(|entry| {
        let path = entry.ok()?.path();
        let name = path.file_name()?.to_str()?.to_owned();
        let removable = std::fs::read_to_string(path.join("removable")).ok()?;
        (name.starts_with("memory") && removable.trim() == "1")
            .then(|| Switch(path.join("state"), "online"))
    });
    entries.collect()
}

fn workload(args: &str) -> Running {
    let mut command = Command::new(programs::workload().unwrap());
    Running::start(command.args(args.split(' '))).unwrap()
}

fn truth(running: Running) -> Truth {
    let done = running.finish(DEADLINE).unwrap();
    assert!(done.status.success(), "{done:?}");
    Truth::parse(&done.stdout).unwrap()
}

/// Runs a session of the whole system and calls `meanwhile` during it.
fn session<T>(name: &str, meanwhile: impl FnOnce() -> T) -> (Report, T) {
    let folder = tempfile::tempdir().unwrap();
    let path = match std::env::var_os("NUMATRACE_ARTIFACTS") {
        Some(folder) => Path::new(&folder).join(format!("report-{}.json", name.replace("::", "-"))),
        None => folder.path().join("report.json"),
    };
    let tracer = Running::start(&mut tracer!().command(&path).unwrap()).unwrap();
    tracer.wait_for(READY, DEADLINE).unwrap();
    let done = meanwhile();
    tracer.signal(Signal::SIGINT).unwrap();
    let tracer = tracer.finish(DEADLINE).unwrap();
    assert!(tracer.status.success(), "{tracer:?}");
    (Report::read(&path).unwrap(), done)
}

/// Each worker's time is the time in the kernel's schedstat, wherever the worker ran.
fn time_is_whole(report: &Report, truth: &Truth) {
    let process = report.process(truth.pid()).expect("it is in the report");
    let workers = truth.0["workers"].as_array().unwrap();
    assert_eq!(workers.len(), 2);
    for worker in workers {
        let (tid, ran) = (
            worker["tid"].as_u64().unwrap(),
            worker["run_ns"].as_u64().unwrap(),
        );
        let thread = process.thread(tid).expect("a worker is in the report");
        let traced: u64 = thread.vector("/run_ns").unwrap().iter().sum();
        // A worker runs on for a while after it has read its time: a tenth of a second on a slow
        // guest.
        let most = ran + ran / 100 + 100_000_000;
        assert!(
            (ran - ran / 100..=most).contains(&traced),
            "thread {tid}: schedstat {ran} ns, traced {traced} ns"
        );
    }
}

#[test]
fn a_cpu_that_goes_and_comes_back_costs_no_count_and_no_time() {
    let (a, b) = two_nodes_or_skip!();
    let Some((cpu, switch)) = last_cpu(b) else {
        return skipped(test_name!(), "no CPU can be switched off");
    };
    let (report, truth) = session(test_name!(), || {
        let busy = workload(&format!(
            "first-touch --init-node {a} --use-node {b} --pages 64 --threads 2 --secs 4"
        ));
        for value in ["0", "1", "0"] {
            switch.set(value).unwrap();
            truth(workload(&format!(
                "touch --mib 16 --rounds 4 --cpu-node {a}"
            )));
            truth(workload("fork-storm --count 100"));
        }
        truth(busy)
    });
    closed(&report);
    time_is_whole(&report, &truth);
    let listed = &report.value["host"]["nodes"][at(b)]["cpus"];
    assert!(
        listed
            .as_array()
            .unwrap()
            .iter()
            .any(|listed| *listed == cpu),
        "{listed}"
    );
}

#[test]
fn a_cpu_that_comes_during_the_session_is_its_nodes() {
    let (a, b) = two_nodes_or_skip!();
    let Some((cpu, switch)) = last_cpu(b) else {
        return skipped(test_name!(), "no CPU can be switched off");
    };
    switch.set("0").unwrap();
    let (report, truth) = session(test_name!(), || {
        switch.set("1").unwrap();
        truth(workload(&format!(
            "first-touch --init-node {a} --use-node {b} --pages 64 --threads 2 --secs 3"
        )))
    });
    closed(&report);
    time_is_whole(&report, &truth);
    let process = report.process(truth.pid()).unwrap();
    for worker in truth.0["workers"].as_array().unwrap() {
        let thread = process.thread(worker["tid"].as_u64().unwrap()).unwrap();
        let time = thread.vector("/run_ns").unwrap();
        assert!(
            time[at(b)] * 100 >= time.iter().sum::<u64>() * 99,
            "{time:?}"
        );
    }
    let listed = &report.value["host"]["nodes"][at(b)]["cpus"];
    assert!(
        listed
            .as_array()
            .unwrap()
            .iter()
            .any(|listed| *listed == cpu),
        "{listed}"
    );
}

#[test]
fn memory_that_goes_and_comes_back_leaves_the_totals_closed() {
    let (a, b) = two_nodes_or_skip!();
    let blocks = blocks(b);
    let (report, moved) = session(test_name!(), || {
        let load = || {
            truth(workload(&format!(
                "bind --node {b} --pages 4000 --cpu-node {a}"
            )));
            truth(workload(&format!(
                "touch --mib 16 --rounds 4 --cpu-node {b}"
            )));
        };
        load();
        // The kernel may refuse: its own memory cannot be moved out of a block.
        let gone: Vec<&Switch> = blocks
            .iter()
            .filter(|block| block.set("offline").is_ok())
            .take(2)
            .collect();
        load();
        for block in &gone {
            block.set("online").unwrap();
        }
        load();
        gone.len()
    });
    closed(&report);
    if moved == 0 {
        skipped(test_name!(), "no memory block could be taken offline");
    }
}
