//! Holds the import rules of ARCHITECTURE.md against the code.
//!
//! - A room imports only the rooms that its row of the table names, and `aya`, `tokio` and
//!   `unsafe` stand only where the table says so.
//! - The table itself has no circle: rooms import one another in one direction.
//! - No files import one another in a circle. Two relations are natural and do not count: a file
//!   may use what the `mod.rs` of a folder around it defines, and a report holds the findings that
//!   are computed from it ([`NATURAL`]).
//! - The module of a folder is `x/mod.rs`, never `x.rs` beside `x/`.
//!
//! Tests are exempt: `#[cfg(test)] mod tests` may build what it needs from anywhere.

#![expect(clippy::unwrap_used, reason = "tests state claims; an unwrap is one")]

mod graph;
mod made_up;
mod rooms;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use graph::Graph;

/// Sources, by path below the workspace.
const TRACER: &str = "numatrace/src";
const KERNEL_SIDE: &str = "numatrace-ebpf/src";
const XTASK: &str = "xtask/src";
const BENCH: &str = "xtask/bench/src";
const TESTS: &str = "tests/src";

/// A report holds its findings, and a finding is computed from a report.
const NATURAL: (&str, &str) = ("model/report.rs", "model/finding/mod.rs");

#[test]
fn rooms_import_what_the_table_allows_and_nothing_else() {
    let graph = tracer();
    let table = architecture();
    let breaches = rooms::breaches(&graph, &table);
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
    let unknown = rooms::unknown(&graph, &table);
    assert!(unknown.is_empty(), "the table names no room: {unknown:?}");
    let unused = rooms::unused(&graph, &table);
    assert!(unused.is_empty(), "{}", unused.join("\n"));
}

#[test]
fn rooms_import_one_another_in_one_direction() {
    let table = architecture();
    let imports = table.into_iter().map(|(room, row)| (room, row.may_import));
    let rooms = Graph {
        imports: imports.collect(),
        uses: BTreeMap::new(),
    };
    no_circles(&rooms);
}

#[test]
fn no_files_of_the_tracer_import_one_another_in_a_circle() {
    let mut graph = tracer();
    let (report, finding) = NATURAL;
    assert!(
        graph.imports.get_mut(report).unwrap().remove(finding),
        "{report} no longer imports {finding}: the exception can go"
    );
    graph.leave_out_folders_around();
    no_circles(&graph);
}

#[test]
fn no_files_of_the_kernel_side_import_one_another_in_a_circle() {
    let mut graph = Graph::of_crate(&sources(KERNEL_SIDE), "numatrace_ebpf");
    graph.leave_out_folders_around();
    no_circles(&graph);
}

/// A second clock would count suspends otherwise than the first, a second way into the ring could
/// forget the loss, and the size of a page is a global.
#[test]
fn clock_ring_and_page_size_of_the_kernel_side_are_each_in_one_file() {
    for (text, only) in [
        ("bpf_ktime_get", "clock.rs"),
        (".reserve::<", "record/emit.rs"),
        ("page_shift", "kernel/"),
        ("4096", "nowhere"),
    ] {
        let sources = sources(KERNEL_SIDE);
        let holding = sources.iter().filter(|(_, source)| source.contains(text));
        let holding: Vec<&str> = holding.map(|(file, _)| file.as_str()).collect();
        assert!(
            holding.iter().all(|file| file.starts_with(only)),
            "{text} belongs into {only}: {holding:?}"
        );
        assert!(
            only == "nowhere" || !holding.is_empty(),
            "{text} is in no file: the rule checks nothing"
        );
    }
}

#[test]
fn of_the_rest_of_xtask_only_the_command_line_knows_the_benchmark() {
    let graph = Graph::of_crate(&sources(XTASK), "xtask");
    let outside = |file: &str| !file.starts_with("bench/");
    let of_benchmark = |targets: &BTreeSet<String>| targets.iter().any(|t| !outside(t));
    let knows: Vec<&String> = graph
        .imports
        .iter()
        .filter(|(file, targets)| outside(file) && of_benchmark(targets))
        .map(|(file, _)| file)
        .collect();
    assert_eq!(knows, ["cli.rs"]);
}

#[test]
fn no_files_of_tests_and_tools_import_one_another_in_a_circle() {
    for (src, name) in [
        (XTASK, "xtask"),
        (BENCH, "numatrace_bench"),
        (TESTS, "numatrace_tests"),
    ] {
        let mut graph = Graph::of_crate(&sources(src), name);
        graph.leave_out_folders_around();
        no_circles(&graph);
    }
}

#[test]
fn the_module_of_a_folder_is_its_mod_rs() {
    for src in [TRACER, KERNEL_SIDE, XTASK, BENCH, TESTS] {
        for file in sources(src).keys() {
            let folder = root().join(src).join(file.trim_end_matches(".rs"));
            assert!(
                !folder.is_dir(),
                "{src}/{file} stands beside a folder of its name"
            );
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns the texts of a crate's files.
fn sources(src: &str) -> BTreeMap<String, String> {
    let sources = source::below(&root().join(src));
    assert!(sources.len() > 10, "{src} has {} files", sources.len());
    sources
}

fn architecture() -> rooms::Table {
    let page = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    rooms::of_architecture(&page)
}

/// Returns the graph of the tracer, which is read once.
fn tracer() -> Graph {
    static GRAPH: LazyLock<Graph> =
        LazyLock::new(|| Graph::of_crate(&sources(TRACER), "numatrace"));
    GRAPH.clone()
}

/// Asserts that there are no circles.
fn no_circles(graph: &Graph) {
    let circles = graph.circles();
    assert!(circles.is_empty(), "circles: {circles:#?}");
}
