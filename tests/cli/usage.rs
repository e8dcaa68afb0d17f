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
        &["trace", "-p", "x"],
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
