//! The text of a report: whole pages as snapshots, and what holds for every page.

use numatrace::output::escape;
use numatrace::output::text::{TextOptions, render, render_audit};
use unicode_width::UnicodeWidthStr as _;

use crate::fixture;

/// A terminal of eighty columns, ten rows of processes.
fn terminal() -> TextOptions {
    TextOptions {
        width: Some(80),
        rows: Some(10),
        color: false,
    }
}

#[test]
fn pages_on_eighty_columns_look_like_this() {
    for (name, snapshot) in fixture::all() {
        insta::assert_snapshot!(name, render(&snapshot, &terminal()));
    }
}

#[test]
fn without_a_terminal_the_columns_stand_side_by_side() {
    insta::assert_snapshot!(
        "launched_unlimited",
        render(&fixture::launched(), &TextOptions::default())
    );
}

#[test]
fn the_audit_alone_looks_like_this() {
    insta::assert_snapshot!(
        "audit_only",
        render_audit(&fixture::two_nodes(), &terminal())
    );
}

#[test]
fn no_page_lets_a_name_control_the_terminal() {
    for (name, snapshot) in fixture::all() {
        for line in render(&snapshot, &terminal()).lines() {
            assert!(!line.contains(escape::is_hostile), "{name}: {line:?}");
        }
    }
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for (name, snapshot) in fixture::all() {
        for width in [80, 132] {
            let options = TextOptions {
                width: Some(width),
                ..terminal()
            };
            for line in render(&snapshot, &options).lines() {
                assert!(line.width() <= width, "{name} on {width}: {line}");
            }
        }
    }
}

#[test]
fn rows_beyond_the_limit_are_summed_and_the_total_is_the_whole() {
    let snapshot = fixture::crowd();
    let page = render(&snapshot, &terminal());
    assert!(page.contains("9,990 others"), "{page}");
    let total = snapshot
        .alloc_total()
        .and_then(|alloc| alloc.remote())
        .unwrap();
    let total = numatrace::model::number::grouped(total);
    let row = page.lines().find(|line| line.contains(" total ")).unwrap();
    assert!(row.contains(&total), "{row} has no {total}");
}

#[test]
fn colour_changes_nothing_but_colour() {
    let plain = render(&fixture::fallback(), &terminal());
    let coloured = render(
        &fixture::fallback(),
        &TextOptions {
            color: true,
            ..terminal()
        },
    );
    assert_ne!(plain, coloured);
    let mut stripped = coloured;
    for code in [
        "\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m",
    ] {
        stripped = stripped.replace(code, "");
    }
    assert_eq!(plain, stripped);
}

#[test]
fn a_command_line_of_a_megabyte_does_not_drown_the_report() {
    let mut snapshot = fixture::launched();
    snapshot
        .session
        .scope
        .launched
        .push("x".repeat(1 << 20).into());
    let page = render(&snapshot, &terminal());
    assert!(
        page.starts_with("numatrace trace: ./app --threads=2")
            && page.contains('…')
            && page.len() < 16 << 10,
        "{}",
        page.len()
    );
}
