//! The finder of imports and circles, tried on trees whose graph is known.

use std::collections::BTreeMap;

use crate::graph::Graph;
use crate::rooms;

/// The graph of a crate `made_up` with these files.
fn graph(files: &[(&str, &str)]) -> Graph {
    let own = |(file, text): &(&str, &str)| ((*file).to_owned(), (*text).to_owned());
    let texts: BTreeMap<String, String> = files.iter().map(own).collect();
    Graph::of_crate(&texts, "made_up")
}

fn imports<'a>(graph: &'a Graph, file: &str) -> Vec<&'a str> {
    graph.imports[file].iter().map(String::as_str).collect()
}

#[test]
fn an_import_is_found_in_every_form() {
    for text in [
        "use crate::b::B;",
        "use crate::{a::A, b::B};",
        "use super::b::{self, B as C};",
        "use super::b; fn f() -> b::B { b::make() }",
        "use super::b::*; fn f() -> B { make() }",
        "fn f(b: &crate::b::B) {}",
        "fn f() { println!(\"{}\", crate::b::make()); }",
        "fn f() { vec![[super::b::make()]]; }",
        "#[derive(Serialize)] struct A { #[serde(with = \"crate::b::text\")] b: u8 }",
        "mod inner { use super::super::b::B; }",
        "macro_rules! m { () => { $crate::b::make() } }",
        "impl From<crate::b::B> for A { fn from(b: B) -> Self { A } }",
    ] {
        let graph = graph(&[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", text),
            (
                "b.rs",
                "pub struct B; pub fn make() -> B { B } pub mod text {}",
            ),
        ]);
        assert_eq!(imports(&graph, "a.rs"), ["b.rs"], "{text}");
    }
}

#[test]
fn a_name_that_is_passed_on_counts_for_the_file_that_defines_it() {
    let graph = graph(&[
        ("lib.rs", "mod a; mod room;"),
        ("a.rs", "use crate::room::{Deep, Shallow};"),
        (
            "room/mod.rs",
            "mod inner; pub use inner::*; pub struct Shallow;",
        ),
        ("room/inner/mod.rs", "mod deep; pub use deep::Deep;"),
        ("room/inner/deep.rs", "pub struct Deep;"),
    ]);
    assert_eq!(
        imports(&graph, "a.rs"),
        ["room/inner/deep.rs", "room/mod.rs"]
    );
    assert!(graph.imports["room/mod.rs"].is_empty(), "it only passes on");
}

#[test]
fn tests_and_other_crates_are_no_imports() {
    let graph = graph(&[
        ("lib.rs", "mod a; mod b;"),
        (
            "a.rs",
            "use std::fs; use libc; #[cfg(test)] mod tests { use crate::b::B; }
             #[cfg(test)] mod more; #[cfg(test)] fn f(b: crate::b::B) {}
             impl A { #[cfg(test)] fn g(b: crate::b::B) {} }",
        ),
        ("a/more.rs", "use crate::b::B;"),
        ("b.rs", "pub struct B;"),
    ]);
    assert_eq!(graph.imports.len(), 3, "tests have no place in the graph");
    assert!(graph.imports["a.rs"].is_empty(), "{graph:?}");
}

#[test]
fn a_program_beside_a_library_imports_it_by_its_name() {
    let graph = graph(&[
        ("lib.rs", "pub mod b;"),
        ("main.rs", "use made_up::b::B; fn main() {}"),
        ("b.rs", "pub struct B;"),
    ]);
    assert_eq!(imports(&graph, "main.rs"), ["b.rs"]);
}

#[test]
fn a_circle_is_found_however_long() {
    let graph = graph(&[
        ("main.rs", "mod a; mod b; mod c; mod d;"),
        ("a.rs", "use crate::b::B; pub struct A;"),
        ("b.rs", "use crate::c::C; pub struct B;"),
        ("c.rs", "use crate::a::A; pub struct C;"),
        ("d.rs", "use crate::a::A; pub struct D;"),
    ]);
    assert_eq!(graph.circles(), [["a.rs", "b.rs", "c.rs"]]);
}

#[test]
fn two_circles_are_two() {
    let graph = graph(&[
        ("main.rs", "mod a; mod b; mod c; mod d;"),
        ("a.rs", "use crate::{b::B, c::C}; pub struct A;"),
        ("b.rs", "use crate::a::A; pub struct B;"),
        ("c.rs", "use crate::d::D; pub struct C;"),
        ("d.rs", "use crate::c::C; pub struct D;"),
    ]);
    assert_eq!(graph.circles(), [["a.rs", "b.rs"], ["c.rs", "d.rs"]]);
}

#[test]
fn a_file_may_use_what_the_folder_around_it_defines_and_no_other_folder() {
    let mut graph = graph(&[
        ("main.rs", "mod room; mod other;"),
        ("room/mod.rs", "mod a; use a::A; pub struct Common;"),
        (
            "room/a.rs",
            "use super::Common; use crate::other::Other; pub struct A;",
        ),
        ("other/mod.rs", "use crate::room::Common; pub struct Other;"),
    ]);
    graph.leave_out_folders_around();
    assert_eq!(imports(&graph, "room/a.rs"), ["other/mod.rs"]);
    let circle = ["other/mod.rs", "room/a.rs", "room/mod.rs"];
    assert_eq!(graph.circles(), [circle]);
}

#[test]
fn a_breach_of_the_table_is_named() {
    let graph = graph(&[
        ("lib.rs", "mod low; mod high; mod exit;"),
        ("exit.rs", "pub fn code() {}"),
        ("low/mod.rs", "use crate::high::High; use tokio::time;"),
        (
            "high/mod.rs",
            "use crate::exit::code; use aya::Ebpf; pub struct High; fn f() { unsafe { g() } }",
        ),
    ]);
    let table = rooms::parse(
        "text\n\n| room | may import | may use |\n|---|---|---|\n| `low` | `gone` | |\n\
         | `high` | `low`, `exit` | `aya`, `unsafe` |\n| `exit` | | |\n",
    );
    assert_eq!(
        rooms::breaches(&graph, &table),
        ["low/mod.rs imports high/mod.rs", "low/mod.rs uses tokio"]
    );
    assert_eq!(rooms::unknown(&graph, &table), ["gone"]);
    let unused = rooms::unused(&graph, &table);
    assert_eq!(unused.len(), 2, "{unused:?}");
    assert!(unused[0].starts_with("no file of high uses low:"));
    assert!(unused[1].starts_with("no file of low uses gone:"));
}
