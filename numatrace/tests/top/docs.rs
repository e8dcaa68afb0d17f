//! The screens of docs/top.md: each is the snapshot that its comment names.

use std::{fs, path::Path};

/// The snapshots of this folder.
const SNAPSHOTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/top/snapshots");

/// Screens that the page shows at least; fewer mean that it was read wrongly.
const SCREENS: usize = 6;

#[test]
fn the_screens_of_the_page_are_the_snapshots() {
    let page = include_str!("../../../docs/top.md");
    let shown: Vec<(&str, &str)> = page.split("<!-- screen: ").skip(1).map(screen).collect();
    assert!(shown.len() >= SCREENS, "{} screens", shown.len());
    for (name, text) in shown {
        assert_eq!(text, snapshot(name), "{name}");
    }
}

/// Splits a screen of the page into its name and its text.
fn screen(part: &str) -> (&str, &str) {
    let (name, rest) = part.split_once(" -->\n```\n").unwrap();
    (name, rest.split_once("```\n").unwrap().0)
}

/// Returns a snapshot as the page shows it: without quotes and spaces at the ends of lines, and
/// with one empty row for each run of them.
fn snapshot(name: &str) -> String {
    let path = Path::new(SNAPSHOTS).join(format!("top__screens__{name}.snap"));
    let file = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let body = file.splitn(3, "---\n").nth(2).unwrap();
    let mut text = String::new();
    for line in body.lines() {
        let row = line
            .trim_start_matches('"')
            .trim_end_matches('"')
            .trim_end();
        if !(row.is_empty() && text.ends_with("\n\n")) {
            text.push_str(row);
            text.push('\n');
        }
    }
    text
}
