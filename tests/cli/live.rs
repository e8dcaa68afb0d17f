//! `top` and `events` where they cannot begin.

use crate::numatrace;

#[test]
fn a_screen_needs_a_terminal_and_says_what_to_use_instead() {
    let said = numatrace(&["top"]);
    assert_eq!(said.status.code(), Some(2), "{said:?}");
    assert!(said.stderr.contains("needs a terminal"), "{said:?}");
    assert!(said.stderr.contains("numatrace trace -i 1"), "{said:?}");
    assert_eq!(said.stdout, "");
}

#[test]
fn without_a_command_and_a_terminal_there_is_help_and_the_status_of_a_wrong_line() {
    let said = numatrace(&[]);
    assert_eq!(said.status.code(), Some(2), "{said:?}");
    assert!(said.stderr.contains("Usage:"), "{said:?}");
    assert_eq!(said.stdout, "");
}

#[test]
fn kinds_and_nodes_that_do_not_exist_are_refused() {
    let said = numatrace(&["events", "--kind", "alloc,swaps"]);
    assert_eq!(said.status.code(), Some(2), "{said:?}");
    assert!(
        said.stderr.contains("first_touch"),
        "the kinds there are: {said:?}"
    );
    let said = numatrace(&["events", "--node", "9999"]);
    assert_eq!(said.status.code(), Some(2), "{said:?}");
    assert!(said.stderr.contains("numatrace topology"), "{said:?}");
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
