//! The table "Stems" of ARCHITECTURE.md against the tree: each hook of the catalogue has a row,
//! each file of a row exists, and the programs of a hook are in the probe files of its row.

#![expect(clippy::unwrap_used, reason = "tests state claims; an unwrap is one")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use numatrace::attach::{
    catalog::{HOOKS, PARKING, Row},
    prototype::PROBES,
};

/// The columns after the stem, as the table heads them, and the folders that their paths begin at.
const COLUMNS: [(&str, &str); 5] = [
    ("probes", "numatrace-ebpf/src/probes"),
    ("payload", "numatrace-common/src"),
    ("decode", "numatrace/src"),
    ("fold and label", "numatrace/src"),
    ("test", "tests/kernel"),
];

/// One row of the table: the stem, and the files of each column.
struct Stem {
    name: String,
    files: Vec<Vec<PathBuf>>,
}

impl Stem {
    /// Reads a line such as `` | `task_run` | `task_run.rs` | … | ``.
    fn of(line: &str) -> Self {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').collect();
        assert_eq!(cells.len(), COLUMNS.len() + 1, "{line}");
        let files = cells
            .iter()
            .skip(1)
            .zip(COLUMNS)
            .map(|(cell, (_, folder))| {
                let files: Vec<PathBuf> = quoted(cell)
                    .map(|file| root().join(folder).join(file))
                    .collect();
                assert!(!files.is_empty(), "an empty cell: {line}");
                files
            });
        Self {
            name: quoted(cells[0]).next().unwrap().to_owned(),
            files: files.collect(),
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns the words between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// Reads the table.
fn stems() -> Vec<Stem> {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, section) = page.split_once("\n## Stems\n").expect("a section Stems");
    let section = section.split("\n## ").next().unwrap();
    let mut rows = section.lines().filter(|line| line.starts_with('|'));
    let head: Vec<&str> = rows
        .next()
        .unwrap()
        .trim_matches('|')
        .split('|')
        .map(str::trim)
        .collect();
    let columns = COLUMNS.iter().map(|(name, _)| *name);
    assert!(
        head.iter().copied().eq(["stem"].into_iter().chain(columns)),
        "{head:?}"
    );
    rows.skip(1).map(Stem::of).collect()
}

#[test]
fn each_hook_of_the_catalogue_has_a_row_in_its_order() {
    let stems = stems();
    let named: Vec<&str> = stems.iter().map(|stem| stem.name.as_str()).collect();
    let hooks: Vec<&str> = HOOKS.iter().map(|row| row.hook).collect();
    assert_eq!(named, hooks);
}

#[test]
fn each_file_of_a_row_exists() {
    for stem in stems() {
        for file in stem.files.iter().flatten() {
            assert!(file.is_file(), "{}: {}", stem.name, file.display());
        }
    }
}

#[test]
fn the_programs_of_a_hook_are_in_the_probe_files_of_its_row() {
    for (stem, row) in stems().iter().zip(HOOKS) {
        let sources: String = stem.files[0]
            .iter()
            .map(|file| fs::read_to_string(file).unwrap())
            .collect();
        for probe in Row::probes(row) {
            for program in std::iter::once(probe.program).chain(probe.twin) {
                assert!(
                    sources.contains(&format!("fn {program}(")),
                    "{}: {program}",
                    stem.name
                );
            }
        }
    }
}

#[test]
fn each_probe_file_and_each_payload_belongs_to_a_stem() {
    let stems = stems();
    let column = |index: usize| -> BTreeSet<PathBuf> {
        let files = stems.iter().flat_map(|stem| &stem.files[index]);
        files.map(|file| file.canonicalize().unwrap()).collect()
    };
    let (probes, payloads) = (column(0), column(1));
    for (probe, _) in PROBES {
        let folder = root().join(COLUMNS[0].1);
        let places = [
            folder.join(format!("{probe}.rs")),
            folder.join(probe).join("mod.rs"),
        ];
        let found = places.iter().filter_map(|place| place.canonicalize().ok());
        assert!(
            found.into_iter().any(|place| probes.contains(&place)),
            "{probe}"
        );
    }
    for entry in fs::read_dir(root().join(COLUMNS[1].1).join("event")).unwrap() {
        let file = entry.unwrap().path().canonicalize().unwrap();
        assert!(
            file.ends_with("mod.rs") || payloads.contains(&file),
            "{}",
            file.display()
        );
    }
    // The parking program belongs to no row; it is in the file of the stem whose work it does.
    let parking = probes.iter().any(|file| {
        let source = fs::read_to_string(file).unwrap();
        source.contains(&format!("fn {}(", PARKING.program))
    });
    assert!(parking, "{}", PARKING.program);
}
