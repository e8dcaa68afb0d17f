//! `record` and `report` without tracing: the arguments that they require, and files that are no
//! recordings.

use std::fs;

use crate::numatrace;

#[test]
fn record_asks_for_a_file_and_report_for_a_recording() {
    for args in [&["record"][..], &["report"], &["record", "-d", "1"]] {
        let output = numatrace(args);
        assert_eq!(
            (output.status.code(), output.stdout.as_str()),
            (Some(2), "")
        );
        assert!(output.stderr.contains("Usage"), "{}", output.stderr);
    }
}

#[test]
fn the_help_of_record_says_that_o_is_the_recording() {
    let output = numatrace(&["record", "--help"]);
    assert_eq!(
        (output.status.code(), output.stderr.as_str()),
        (Some(0), "")
    );
    assert!(
        output.stdout.contains("Write the recording to this file"),
        "{}",
        output.stdout
    );
    assert!(
        output.stdout.contains("--pid"),
        "it has trace's options: {}",
        output.stdout
    );
}

#[test]
fn what_is_no_recording_and_no_report_is_refused_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    for (contents, why) in [
        (
            &b"{\"schema\": \"numatrace.report/1\"}"[..],
            "missing field `host`",
        ),
        (b"", "it is empty"),
        (b"\x89numatr\n\x09\0\0\0\0\0\0\0", "its header is damaged"),
    ] {
        fs::write(&file, contents).unwrap();
        let output = numatrace(&["report", file.to_str().unwrap()]);
        assert_eq!(
            (output.status.code(), output.stdout.as_str()),
            (Some(1), ""),
            "{output:?}"
        );
        assert!(output.stderr.contains(why), "{}", output.stderr);
        assert!(output.stderr.contains("hint:"), "{}", output.stderr);
    }
    let output = numatrace(&["report", "/no/such/recording"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        output.stderr.contains("/no/such/recording"),
        "{}",
        output.stderr
    );
}

#[test]
fn times_and_sizes_that_make_no_sense_are_usage_errors() {
    for (args, why) in [
        (
            &["report", "x", "--from", "20", "--to", "10"][..],
            "--from lies behind --to",
        ),
        (
            &["report", "x", "--from", "soon"],
            "give a number of seconds",
        ),
        (&["record", "-o", "x", "--max-size", "1K"], "64K at least"),
        (&["record", "-o", "x", "--keep", "last"], "--max-size"),
    ] {
        let output = numatrace(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
        assert!(output.stderr.contains(why), "{args:?}: {}", output.stderr);
    }
}
