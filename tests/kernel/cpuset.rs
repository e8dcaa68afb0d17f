//! Allocations of a process whose cpuset has the memory of a different node than its CPUs.

use std::fs;
use std::path::{Path, PathBuf};

use numatrace_tests::harness::programs;
use numatrace_tests::harness::report::Report;
use numatrace_tests::harness::running::Running;
use numatrace_tests::harness::skipped;
use numatrace_tests::harness::tracer::DEADLINE;
use numatrace_tests::{test_name, tracer};

use crate::support::closed::closed;
use crate::support::machine::at;
use crate::two_nodes_or_skip;

/// Memory that the process touches.
const MIB: u64 = 16;

/// A control group with the memory of one node, removed on drop.
struct Group(PathBuf);

impl Group {
    fn with_memory(node: u32) -> std::io::Result<Self> {
        let root = Path::new("/sys/fs/cgroup");
        fs::write(root.join("cgroup.subtree_control"), "+cpuset")?;
        let group = Self(root.join(format!("numatrace-mems-{}", std::process::id())));
        fs::create_dir(&group.0)?;
        fs::write(group.0.join("cpuset.mems"), node.to_string())?;
        Ok(group)
    }

    /// Returns a command for `sh -c` that runs a program in the group.
    fn run(&self, program: &str) -> String {
        format!(
            "echo $$ > {}/cgroup.procs; exec {program}",
            self.0.display()
        )
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Busy until the last process of the group is gone.
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn memory_that_a_cpuset_keeps_from_the_cpus_node_is_remote_for_that_reason() {
    let (a, b) = two_nodes_or_skip!();
    let group = match Group::with_memory(b) {
        Ok(group) => group,
        Err(error) => return skipped(test_name!(), &format!("no cpuset: {error}")),
    };
    let workload = programs::workload().unwrap();
    let line = format!("{} touch --mib={MIB} --cpu-node={a}", workload.display());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let mut command = tracer!().command(&path).unwrap();
    let command = command.args(["--", "sh", "-c", &group.run(&line)]);
    let ended = Running::start(command).unwrap().finish(DEADLINE).unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let report = Report::read(&path).unwrap();
    let pages = MIB << 8;
    let mut processes = report.processes();
    let process = processes.find(|process| process.text("/comm") == Some("workload"));
    let process = process.expect("the workload is in the report");
    let there = process.vector("/alloc/other_node").unwrap()[at(b)];
    let because = process.count("/alloc/remote_by_cause/cpuset").unwrap();
    let missed = report.recursion_misses();
    assert!(there + missed >= pages, "{:#}", process.0["alloc"]);
    assert!(because + missed >= pages, "{:#}", process.0["alloc"]);
    // The kernel prefers the nearest node that is allowed, so nothing is missed there.
    let misses: u64 = process.vector("/alloc/numa_miss").unwrap().iter().sum();
    assert_eq!(misses, 0, "{:#}", process.0["alloc"]);
    assert_eq!(process.count("/alloc/remote_by_cause/fallback"), Some(0));
    closed(&report);
}
