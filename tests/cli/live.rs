//! `top` and `events` where they cannot begin.

use crate::numatrace;

#[test]
fn a_screen_needs_a_terminal_and_says_what_to_use_instead() {
    let output = numatrace(&["top"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stderr.contains("needs a terminal"), "{output:?}");
    assert!(output.stderr.contains("numatrace trace -i 1"), "{output:?}");
    assert_eq!(output.stdout, "");
}

#[test]
fn without_a_command_and_a_terminal_there_is_help_and_the_status_of_a_wrong_line() {
    let output = numatrace(&[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stderr.contains("Usage:"), "{output:?}");
    assert_eq!(output.stdout, "");
}

#[test]
fn kinds_and_nodes_that_do_not_exist_are_refused() {
    let output = numatrace(&["events", "--kind", "alloc,swaps"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(
        output.stderr.contains("first_touch"),
        "the kinds there are: {output:?}"
    );
    let output = numatrace(&["events", "--node", "9999"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stderr.contains("numatrace topology"), "{output:?}");
}

#[test]
fn help_names_every_option_of_a_stream() {
    let help = numatrace(&["events", "--help"]).stdout;
    for option in [
        "--kind",
        "--pid",
        "--comm",
        "--node",
        "--cross-node-only",
        "--min-pages",
        "--buffer",
        "--format",
        "--output",
    ] {
        assert!(
            help.contains(option),
            "{option} is not in the help of events"
        );
    }
}
