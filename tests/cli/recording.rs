//! `record` and `report` before anything is traced: what they ask for, and files that are no recordings.

use std::fs;

use crate::numatrace;

#[test]
fn record_asks_for_a_file_and_report_for_a_recording() {
    for args in [&["record"][..], &["report"], &["record", "-d", "1"]] {
        let said = numatrace(args);
        assert_eq!((said.status.code(), said.stdout.as_str()), (Some(2), ""));
        assert!(said.stderr.contains("Usage"), "{}", said.stderr);
    }
}

#[test]
fn the_help_of_record_says_that_o_is_the_recording() {
    let said = numatrace(&["record", "--help"]);
    assert_eq!((said.status.code(), said.stderr.as_str()), (Some(0), ""));
    assert!(
        said.stdout.contains("Write the recording to this file"),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout.contains("--pid"),
        "it has trace's options: {}",
        said.stdout
    );
}

#[test]
fn what_is_no_recording_is_refused_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    for (contents, why) in [
        (
            &b"{\"schema\": \"numatrace.report/1\"}"[..],
            "not a numatrace recording",
        ),
        (b"", "ends before its first frame"),
        (b"\x89numatr\n\x09\0\0\0\0\0\0\0", "its header is damaged"),
    ] {
        fs::write(&file, contents).unwrap();
        let said = numatrace(&["report", file.to_str().unwrap()]);
        assert_eq!(
            (said.status.code(), said.stdout.as_str()),
            (Some(1), ""),
            "{said:?}"
        );
        assert!(said.stderr.contains(why), "{}", said.stderr);
        assert!(said.stderr.contains("hint:"), "{}", said.stderr);
    }
    let said = numatrace(&["report", "/no/such/recording"]);
    assert_eq!(said.status.code(), Some(1));
    assert!(
        said.stderr.contains("/no/such/recording"),
        "{}",
        said.stderr
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
        let said = numatrace(args);
        assert_eq!(said.status.code(), Some(2), "{args:?}: {said:?}");
        assert!(said.stderr.contains(why), "{args:?}: {}", said.stderr);
    }
}
