//! A user without any capability: refused by trying, with exit code 4 and a way out, before
//! anything is written.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::unistd::geteuid;
use numatrace_tests::harness::programs;

use crate::ended;

/// The kernel's overflow user, which owns nothing.
const NOBODY: u32 = 65534;

/// Returns numatrace as a user without privileges, from a folder that this user may read.
fn as_nobody(folder: &tempfile::TempDir) -> Command {
    let copy = folder.path().join("numatrace");
    // Copied by a process of its own: a descriptor open for writing here would be inherited by any
    // process that another test starts meanwhile, and a file that is open for writing cannot be
    // executed (ETXTBSY).
    let copied = Command::new("cp")
        .arg(programs::numatrace().unwrap())
        .arg(&copy)
        .status()
        .unwrap();
    assert!(copied.success(), "cp: {copied}");
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = Command::new(copy);
    if geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.current_dir("/");
    command
}

#[test]
fn tracing_is_refused_with_4_and_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let output = ended(as_nobody(&folder).args(["trace", "-d", "1"]));
    assert_eq!(
        (output.status.code(), output.stdout.as_str()),
        (Some(4), ""),
        "{output:?}"
    );
    assert!(
        output.stderr.contains("CAP_BPF"),
        "what is missing has a name: {}",
        output.stderr
    );
    assert!(
        output.stderr.contains("hint:"),
        "and there is a way out: {}",
        output.stderr
    );
}

#[test]
fn a_refused_tracer_starts_no_command() {
    let folder = tempfile::tempdir().unwrap();
    let output = ended(as_nobody(&folder).args(["trace", "--", "echo", "it ran"]));
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(!output.stdout.contains("it ran"), "{output:?}");
}

#[test]
fn topology_needs_no_privileges() {
    let folder = tempfile::tempdir().unwrap();
    let output = ended(as_nobody(&folder).args(["topology", "-f", "json"]));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_str::<serde_json::Value>(&output.stdout).unwrap();
}
