//! Arguments that nobody should type: no value makes numatrace panic, and none reaches a terminal
//! as it is.

use std::process::Command;

use numatrace_tests::harness::programs;

use crate::{ended, numatrace};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/contract/example.json");
const RECORDING: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../numatrace/tests/recording/away.nmt"
);

/// The status of a process that Rust's runtime ended after a panic.
const PANICKED: Option<i32> = Some(101);

#[test]
fn times_without_end_are_refused() {
    for time in ["9223372036854775807", "1e19", "1e300", "106751991167d"] {
        for args in [
            &["trace", "-d", time][..],
            &["trace", "-i", time],
            &["events", "-d", time],
            &["top", "-i", time],
            &["report", RECORDING, "--from", time],
            &["report", RECORDING, "--to", time],
        ] {
            let output = numatrace(args);
            assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
            assert!(output.stderr.contains("hundred years"), "{output:?}");
        }
    }
}

#[test]
fn the_largest_numbers_are_numbers() {
    let (most, own) = (u64::MAX.to_string(), std::process::id().to_string());
    for args in [
        &["report", RECORDING, "-n", &most][..],
        &["report", RECORDING, "--timeline", "-n", &most, "-p", "1"],
        &["report", RECORDING, "--to", "3153600000"],
        &["diff", RECORDING, EXAMPLE, "-n", &most],
        &["stat", "0.1", "1"],
        &["stat", "--sample", "4294967295", "-p", &own],
    ] {
        let output = numatrace(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
    }
    for args in [
        &["stat", "-s65535"][..],
        &["stat", &most, &most],
        &["report", RECORDING, "-p", "4294967295"],
        &["record", "-o", "/nowhere/at/all", "--max-size", &most],
        &["diff", EXAMPLE, EXAMPLE, "--fail-if", "pages > 1e999"],
    ] {
        let mut command = Command::new("timeout");
        let output = ended(
            command
                .arg("2")
                .arg(programs::numatrace().unwrap())
                .args(args),
        );
        assert_ne!(output.status.code(), PANICKED, "{args:?}: {output:?}");
        assert!(!output.stderr.contains("panicked"), "{args:?}: {output:?}");
    }
}

#[test]
fn the_start_of_a_session_is_a_time() {
    let (whole, from) = (
        numatrace(&["report", RECORDING]),
        numatrace(&["report", RECORDING, "--from", "0"]),
    );
    assert_eq!(from.status.code(), Some(0), "{from:?}");
    assert_eq!(from.stdout, whole.stdout);
}

#[test]
fn no_message_repeats_control_characters() {
    let evil = "a\u{1b}[2J\u{9b}31m\u{202e}b";
    let path = format!("/nowhere/{evil}/r");
    let limit = format!("remote_share > 1 {evil}");
    let named = format!("proc({evil}).pages > 1");
    for args in [
        &["stat", "--fail-if", &limit][..],
        &["stat", "--alert", &limit],
        &["stat", "--cgroup", &path],
        &["stat", "--since", &path],
        &["stat", "--file", &path],
        &["stat", "-p", evil],
        &["trace", "--fail-if", &limit],
        &["trace", "-o", &path],
        &["trace", "--", evil],
        &["record", "-o", &path],
        &["report", &path],
        &["export", &path, "--to", "csv"],
        &["diff", &path, EXAMPLE],
        &["diff", EXAMPLE, EXAMPLE, "--fail-if", &limit],
        &["diff", EXAMPLE, EXAMPLE, "--fail-if", &named],
        &["trace", "-d", evil],
        &["trace", "--hooks", evil],
        &["trace", evil],
        &[evil],
    ] {
        let output = numatrace(args);
        assert!(!output.stderr.is_empty(), "{args:?}");
        for text in [&output.stderr, &output.stdout] {
            let raw = ['\u{1b}', '\u{9b}', '\u{202e}'];
            assert!(!text.contains(raw), "{args:?}: {text:?}");
        }
    }
}

#[test]
fn a_command_that_is_empty_traces_nothing() {
    for args in [
        &["trace", "--"][..],
        &["trace", "-d", "1", "--"],
        &["record", "-o", "/nowhere/at/all", "--"],
        &["trace", "--", ""],
    ] {
        let output = numatrace(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
        assert!(output.stderr.contains("after --"), "{output:?}");
    }
}

#[test]
fn a_recording_on_standard_input_is_named_as_one() {
    let mut command = Command::new("sh");
    command.args(["-c", "\"$TRACE\" export - --to csv < \"$FILE\""]);
    command.env("TRACE", programs::numatrace().unwrap());
    let output = ended(command.env("FILE", RECORDING));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stderr.contains("it is a recording"), "{output:?}");
}
