//! Help, versions and wrong command lines.

use crate::numatrace;

#[test]
fn help_is_data_and_a_normal_end() {
    for args in [
        ["-h"].as_slice(),
        &["--help"],
        &["trace", "-h"],
        &["trace", "--help"],
        &["topology", "--help"],
        &["top", "--help"],
        &["events", "-h"],
    ] {
        let output = numatrace(args);
        assert_eq!(
            (output.status.code(), output.stderr.as_str()),
            (Some(0), ""),
            "{args:?}"
        );
        assert!(
            output.stdout.contains("Usage:"),
            "{args:?}: {}",
            output.stdout
        );
    }
}

#[test]
fn the_long_help_says_more_than_the_short_one() {
    let (short, long) = (numatrace(&["trace", "-h"]), numatrace(&["trace", "--help"]));
    assert!(long.stdout.len() > short.stdout.len());
}

#[test]
fn help_names_every_option_of_a_session() {
    let help = numatrace(&["trace", "--help"]).stdout;
    for option in [
        "--pid",
        "--duration",
        "--format",
        "--output",
        "--limit",
        "--no-children",
        "--user",
        "--keep-running",
        "--hooks",
        "--fail-if",
    ] {
        assert!(
            help.contains(option),
            "{option} is not in the help of trace"
        );
    }
}

#[test]
fn the_version_is_that_of_the_build() {
    let output = numatrace(&["--version"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        output.stdout.trim(),
        format!("numatrace {}", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn a_wrong_command_line_is_2_and_says_so_on_stderr_alone() {
    let wrong: [&[&str]; 7] = [
        &["no-such-command"],
        &["--no-such-option"],
        &["trace", "--no-such-option"],
        &["trace", "-d", "soon"],
        &["trace", "-p"],
        &["trace", "-f", "yaml"],
        &["topology", "-f", "yaml"],
    ];
    for args in wrong {
        let output = numatrace(args);
        assert_eq!(
            (output.status.code(), output.stdout.as_str()),
            (Some(2), ""),
            "{args:?}: {output:?}"
        );
        assert!(!output.stderr.is_empty(), "{args:?} ends without a word");
        assert!(
            !output.stderr.contains('\u{1b}'),
            "{args:?}: colour without a terminal: {:?}",
            output.stderr
        );
    }
}

#[test]
fn a_word_without_a_place_is_answered_with_the_line_that_was_meant() {
    for (words, meant) in [
        (
            &["trace", "-d", "1", "sleep", "9"][..],
            "numatrace trace -d 1 -- sleep 9",
        ),
        (
            &["record", "-o", "x", "sleep", "9"],
            "numatrace record -o x -- sleep 9",
        ),
        (&["trace", "--pdi", "1"], "a similar option exists: --pid"),
    ] {
        let output = numatrace(words);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stderr.contains(meant), "{}", output.stderr);
    }
}

#[test]
fn options_alone_are_those_of_top() {
    let output = numatrace(&["-p", "1"]);
    assert!(
        output.stderr.contains("top needs a terminal"),
        "{}",
        output.stderr
    );
    assert!(numatrace(&["--version"]).stdout.contains("numatrace"));
}
