//! Reports in the forms of other tools: their sums are the report's.

use std::collections::BTreeMap;

use numatrace::model::{Alloc, Matrix, Snapshot};
use numatrace::output::escape;
use numatrace::output::export::{csv, flamegraph, folded, folded::Weight};

use crate::{before_after, fixture};

fn all() -> Vec<(&'static str, Snapshot)> {
    let mut all = fixture::all();
    all.push(("bug", before_after::bug()));
    all
}

/// The last frames of folded lines with their sums.
fn leaves(lines: &[String]) -> BTreeMap<&str, u64> {
    let mut sums = BTreeMap::new();
    for line in lines {
        let (frames, count) = line.rsplit_once(' ').unwrap();
        let leaf = frames.rsplit_once(';').unwrap().1;
        *sums.entry(leaf).or_default() += count.parse::<u64>().unwrap();
    }
    sums
}

#[test]
fn folded_lines_add_up_to_the_report() {
    for (name, snapshot) in all() {
        let sum = |of: fn(&numatrace::model::Process) -> Option<&Matrix>| {
            let matrices = snapshot.processes.iter().filter_map(of);
            matrices.fold((0, 0), |(local, remote), matrix| {
                (local + matrix.diagonal(), remote + matrix.off_diagonal())
            })
        };
        let touched = sum(|process| process.first_touch.as_ref()?.pages.as_ref());
        let hints = sum(|process| process.hint_faults.as_ref()?.matrix.as_ref());
        for (weight, (local, remote)) in [(Weight::Pages, touched), (Weight::Accesses, hints)] {
            let lines = folded::lines(&snapshot, weight);
            let leaves = leaves(&lines);
            let of = |leaf: &str| leaves.get(leaf).copied().unwrap_or(0);
            assert_eq!(
                (of("local"), of("remote")),
                (local, remote),
                "{name}: {lines:#?}"
            );
        }
    }
}

#[test]
fn stacks_stand_outermost_first_and_what_has_none_is_told() {
    let lines = folded::lines(&before_after::bug(), Weight::Pages);
    assert!(
        lines.contains(&"app;libc.so.6+0x294;init_matrix;fill;[anon];local 16000".to_owned()),
        "{lines:#?}"
    );
    assert!(
        lines.contains(&"app;[no stack];[anon];local 384".to_owned()),
        "{lines:#?}"
    );
    let accesses = folded::lines(&before_after::bug(), Weight::Accesses);
    assert!(
        accesses.contains(&"app;worker;[anon];remote 8000".to_owned()),
        "{accesses:#?}"
    );
    let mut without = before_after::bug();
    for touch in without.processes[0]
        .mappings
        .iter_mut()
        .filter_map(|m| m.first_touch.as_mut())
    {
        touch.by_stack.clear();
    }
    let lines = folded::lines(&without, Weight::Pages);
    assert!(
        lines.contains(&"app;app;[anon];local 16384".to_owned()),
        "{lines:#?}"
    );
}

#[test]
fn a_name_is_one_frame_and_one_cell_whatever_is_in_it() {
    let mut snapshot = before_after::bug();
    snapshot.processes[0].comm = "=a;b 7\n,\u{1b}".into();
    for line in folded::lines(&snapshot, Weight::Pages) {
        assert!(line.starts_with("=a:b 7\\n,\\x1b;"), "{line}");
    }
    let table = csv::lines(&snapshot);
    assert!(table.contains(",\"'=a;b 7\\n,\\x1b\","), "{table}");
    let svg = String::from_utf8(
        flamegraph::render(&snapshot, Weight::Pages)
            .unwrap()
            .unwrap(),
    );
    assert!(!svg.unwrap().contains('\u{1b}'));
}

#[test]
fn the_flame_graph_has_both_colours_and_every_frame() {
    let svg = flamegraph::render(&before_after::bug(), Weight::Pages)
        .unwrap()
        .unwrap();
    let svg = String::from_utf8(svg).unwrap();
    for needle in [
        "init_matrix (16,000 pages",
        "rgb(120,170,230)",
        "First touch",
        "./app",
    ] {
        assert!(svg.contains(needle), "{needle}");
    }
    let accesses = flamegraph::render(&before_after::bug(), Weight::Accesses)
        .unwrap()
        .unwrap();
    assert!(
        String::from_utf8(accesses)
            .unwrap()
            .contains("rgb(230,75,60)")
    );
    assert_eq!(
        flamegraph::render(&fixture::two_nodes(), Weight::Accesses).unwrap(),
        None
    );
}

/// The cells of a CSV line; enough of a reader for what is written.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            c => cells.last_mut().unwrap().push(c),
        }
    }
    cells
}

#[test]
fn the_csv_is_one_table_that_adds_up_to_the_report() {
    let columns: Vec<&str> = csv::HEADER.trim_end().split(',').collect();
    let at = |name: &str| columns.iter().position(|column| *column == name).unwrap();
    // Ten thousand processes alike add up alike, and take a minute.
    let few = all().into_iter().filter(|(name, _)| *name != "crowd");
    for (name, snapshot) in few {
        let table = csv::lines(&snapshot);
        let mut remote = 0;
        for line in table.lines() {
            let cells = cells(line);
            assert_eq!(cells.len(), columns.len(), "{name}: {line}");
            assert!(
                csv::TABLES.iter().any(|(table, _)| *table == cells[0]),
                "{name}: {line}"
            );
            assert!(!line.contains(escape::is_hostile), "{name}: {line:?}");
            if cells[0] == "process_node" && cells[at("name")] == "other_node" {
                remote += cells[at("value")].parse::<u64>().unwrap();
            }
        }
        let total = snapshot.alloc_total().as_ref().and_then(Alloc::remote);
        assert_eq!(remote, total.unwrap_or(0), "{name}");
    }
}
