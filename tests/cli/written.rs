//! Files that a command writes: inputs stay, what a descriptor has stays, and nothing else is left.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use numatrace_tests::harness::programs;
use numatrace_tests::harness::running::Finished;

use crate::{ended, numatrace};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/contract/example.json");
const RECORDING: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../numatrace/tests/recording/away.nmt"
);

/// Runs a script in a folder, in which `"$TRACE"` is numatrace and `"$REPORT"` an example.
fn shell(folder: &Path, script: &str) -> Finished {
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(folder);
    command.env("TRACE", programs::numatrace().unwrap());
    ended(command.env("REPORT", EXAMPLE))
}

#[test]
fn no_command_replaces_what_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    let (recording, report) = (folder.path().join("r.nmt"), folder.path().join("r.json"));
    fs::copy(RECORDING, &recording).unwrap();
    fs::copy(EXAMPLE, &report).unwrap();
    fs::hard_link(&recording, folder.path().join("linked.nmt")).unwrap();
    for script in [
        "\"$TRACE\" report r.nmt -o r.nmt",
        "\"$TRACE\" report r.nmt -o ./r.nmt",
        "\"$TRACE\" report r.nmt -o linked.nmt",
        "\"$TRACE\" report r.nmt >> r.nmt",
        "\"$TRACE\" export r.nmt --to csv -o r.nmt",
        "\"$TRACE\" export r.json --to json -o r.json",
        "\"$TRACE\" export - --to json -o r.json < r.json",
        "\"$TRACE\" diff r.nmt r.json -o r.nmt",
        "\"$TRACE\" diff r.nmt r.json -o r.json",
    ] {
        let output = shell(folder.path(), script);
        assert_eq!(output.status.code(), Some(2), "{script}: {output:?}");
        assert!(
            output.stderr.contains("from which it is made"),
            "{output:?}"
        );
        assert!(fs::read(&recording).unwrap() == fs::read(RECORDING).unwrap());
        assert!(fs::read(&report).unwrap() == fs::read(EXAMPLE).unwrap());
    }
    let output = shell(folder.path(), "\"$TRACE\" report r.nmt -o other");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
}

#[test]
fn a_descriptor_is_written_where_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let export = "\"$TRACE\" export \"$REPORT\" --to csv -o";
    let plain = numatrace(&["export", EXAMPLE, "--to", "csv"]).stdout;
    for (script, wanted) in [
        (
            format!("echo old > log; {export} /dev/stdout >> log"),
            format!("old\n{plain}"),
        ),
        (
            format!("{{ echo first; {export} /dev/stdout; echo last; }} > log"),
            format!("first\n{plain}last\n"),
        ),
        (
            format!("echo old > log; {export} /dev/fd/3 3>> log"),
            format!("old\n{plain}"),
        ),
        (format!("{export} /dev/stderr 2> log"), plain.clone()),
    ] {
        let output = shell(folder.path(), &script);
        assert_eq!(output.status.code(), Some(0), "{script}: {output:?}");
        let log = fs::read_to_string(folder.path().join("log")).unwrap();
        assert!(log == wanted, "{script}: {log:?}");
    }
}

#[test]
fn a_name_may_be_as_long_as_names_may_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("n".repeat(255));
    for _ in 0..2 {
        let path = path.to_str().unwrap();
        let output = numatrace(&["export", EXAMPLE, "--to", "csv", "-o", path]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_reading_may_replace_the_one_that_it_was_compared_with() {
    let folder = tempfile::tempdir().unwrap();
    for script in [
        "\"$TRACE\" stat --save reading",
        "\"$TRACE\" stat --since reading --save reading",
        "\"$TRACE\" stat --since reading",
    ] {
        let output = shell(folder.path(), script);
        assert_eq!(output.status.code(), Some(0), "{script}: {output:?}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
