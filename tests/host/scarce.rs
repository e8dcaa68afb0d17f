//! Sessions without enough descriptors or memory: the limit that was reached is named, and a
//! command has the limits that the tracer began with.

use std::path::{Path, PathBuf};
use std::process::Command;

use numatrace_tests::harness::running::{Finished, Running};
use numatrace_tests::harness::tracer::DEADLINE;
use numatrace_tests::harness::{programs, skipped};
use numatrace_tests::test_name;

/// Runs `sh -c SCRIPT`, in which `"$TRACE"` is numatrace.
fn shell(script: &str) -> Finished {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command.env("TRACE", programs::numatrace().unwrap());
    let running = Running::start(&mut command).unwrap();
    running.finish(DEADLINE).unwrap()
}

#[test]
fn the_limit_of_open_files_is_raised_for_the_session_and_not_for_its_command() {
    let script = "ulimit -Sn 40; \
                  exec \"$TRACE\" trace -q -f json -o /dev/null -- sh -c 'ulimit -Sn; ulimit -Hn'";
    let end = shell(script);
    assert_eq!(end.status.code(), Some(0), "{end:?}");
    let hard = shell("ulimit -Hn").stdout;
    assert_eq!(end.stdout, format!("40\n{hard}"));
}

#[test]
fn a_lack_of_descriptors_is_told_as_one() {
    let mut failed = 0;
    for limit in [32, 40, 44, 48, 52, 56, 60] {
        let end = shell(&format!(
            "ulimit -n {limit}; exec \"$TRACE\" trace -f json -o /dev/null -- true"
        ));
        if end.status.success() {
            continue;
        }
        failed += 1;
        assert_eq!(end.status.code(), Some(4), "{limit}: {end:?}");
        let said = &end.stderr;
        assert!(said.contains("(EMFILE)"), "{limit}: {said}");
        assert!(said.contains("ulimit -n"), "{limit}: {said}");
        assert!(!said.contains("EPERM"), "{limit}: {said}");
    }
    assert!(failed >= 3, "{failed} sessions failed");
}

/// A memory cgroup of this test.
struct Group(PathBuf);

impl Group {
    /// Makes a cgroup with this limit, of version 1 or 2; `None` where neither can be had.
    fn new(bytes: u64) -> Option<Self> {
        for (folder, limit) in [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            ("/sys/fs/cgroup", "memory.max"),
        ] {
            let name = format!("numatrace-scarce-{}", std::process::id());
            let path = Path::new(folder).join(name);
            if std::fs::create_dir(&path).is_err() {
                continue;
            }
            let group = Self(path);
            if std::fs::write(group.0.join(limit), bytes.to_string()).is_ok() {
                return Some(group);
            }
        }
        None
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[test]
fn a_small_memory_cgroup_is_told_with_its_limit() {
    let Some(group) = Group::new(48 << 20) else {
        return skipped(test_name!(), "no memory cgroup can be made");
    };
    let end = shell(&format!(
        "echo $$ > {}/cgroup.procs; exec \"$TRACE\" trace -f json -o /dev/null -- true",
        group.0.display()
    ));
    assert!(end.stderr.contains("allows 48 MiB"), "{end:?}");
    // The kernel refuses a map, or kills the process without a word after the warning.
    if end.status.code().is_some() {
        assert_eq!(end.status.code(), Some(4), "{end:?}");
        assert!(end.stderr.contains("(ENOMEM)"), "{end:?}");
        assert!(end.stderr.contains("hint: raise its memory.max"), "{end:?}");
    }
}
