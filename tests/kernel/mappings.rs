//! Memory by mapping: each has a name that a person knows, and the pages that the workload touched
//! in it.

use std::fs::File;
use std::io::Write;

use numatrace_tests::harness::report::Part;
use numatrace_tests::harness::tracer::Traced;
use numatrace_tests::{or_skip, tracer};

use crate::first_touch::data_file;
use crate::support::compare::within_a_hundredth;
use crate::support::machine::{at, nodes};
use crate::two_nodes_or_skip;

/// Returns the pages touched in the mappings of a process that `holds` accepts, with their kinds
/// and names.
fn touched(process: Part<'_>, holds: impl Fn(&str, &str) -> bool) -> u64 {
    let mappings = process.0["mappings"].as_array().expect("mappings");
    mappings
        .iter()
        .filter(|m| holds(m["kind"].as_str().unwrap(), m["name"].as_str().unwrap()))
        .filter_map(|m| Part(m).matrix("/first_touch/pages"))
        .flatten()
        .flatten()
        .sum()
}

fn launch(words: &str) -> Option<Traced> {
    let words: Vec<&str> = words.split(' ').collect();
    match tracer!().launch(&words).expect("the run should work") {
        numatrace_tests::harness::tracer::Outcome::Done(run) => Some(*run),
        numatrace_tests::harness::tracer::Outcome::Unsupported(_) => None,
    }
}

#[test]
fn mappings_have_the_names_that_people_know() {
    let (a, b) = two_nodes_or_skip!();
    let mut named = 0;
    for (words, kind, name, expected) in [
        (
            format!("heap --pages 800 --cpu-node {a}"),
            "heap",
            "[heap]",
            800,
        ),
        (
            format!("stack --pages 800 --cpu-node {a}"),
            "stack",
            "[stack]",
            800,
        ),
        (
            format!("thp --node {b} --count 4 --cpu-node {a}"),
            "anon",
            "[anon]",
            4 * 512,
        ),
        (
            format!("hugetlb --node {b} --count 4 --cpu-node {a}"),
            "hugetlb",
            "[hugetlb]",
            4 * 512,
        ),
        (
            format!("shmem --kind memfd --pages 1000 --node {a} --other-node {b}"),
            "shmem",
            "memfd:numatrace-workload",
            500,
        ),
        (
            format!("shmem --kind anon --pages 1000 --node {a} --other-node {b}"),
            "shmem",
            "[shared anon]",
            500,
        ),
    ] {
        let Some(run) = launch(&words) else { continue };
        named += 1;
        let process = run.report.process(run.truth.pid()).expect("the workload");
        let pages = touched(process, |k, n| k == kind && n == name);
        within_a_hundredth(&format!("{words}: {name}"), pages, expected, 150);
    }
    assert!(named >= 4, "{named} of six kinds only");
}

#[test]
fn mappings_add_up_to_what_the_process_touched() {
    let (a, b) = two_nodes_or_skip!();
    let run = or_skip!(tracer!().launch(&[
        "bind",
        "--node",
        &b.to_string(),
        "--pages",
        "2000",
        "--cpu-node",
        &a.to_string()
    ]));
    let process = run.report.process(run.truth.pid()).expect("the workload");
    let whole: u64 = process
        .matrix("/first_touch/pages")
        .unwrap()
        .iter()
        .flatten()
        .sum();
    within_a_hundredth("all mappings", touched(process, |_, _| true), whole, 0);
    // A policy asked for the other node, and each remote page of each mapping has a cause.
    let mappings = process.0["mappings"].as_array().expect("mappings");
    let (mut policy, mut caused, mut remote) = (0, 0, 0);
    for mapping in mappings {
        let causes = mapping["first_touch"]["remote_by_cause"].as_object();
        let causes = causes.into_iter().flatten();
        for (cause, pages) in causes {
            let pages = pages.as_u64().expect("pages");
            caused += pages;
            policy += if cause == "policy" { pages } else { 0 };
        }
        // Memory that was only seen to lie somewhere has no known toucher.
        let Some(pages) = Part(mapping).matrix("/first_touch/pages") else {
            continue;
        };
        remote += pages.iter().flatten().sum::<u64>();
        remote -= (0..pages.len()).map(|node| pages[node][node]).sum::<u64>();
    }
    within_a_hundredth("by policy", policy, 2000, 0);
    assert_eq!(caused, remote, "nothing missed its node: {mappings:#?}");
}

#[test]
fn a_file_that_was_filled_on_another_node_is_page_cache_and_no_surprise() {
    let (a, b) = two_nodes_or_skip!();
    let path = data_file("cached");
    // Page cache lies on the writer's node; a thread of its own writes, so that the other threads
    // stay free.
    let writer = std::thread::spawn({
        let path = path.clone();
        move || {
            nodes().run_on(a).unwrap();
            File::create(&path)
                .and_then(|mut file| file.write_all(&vec![1; 2048 * 4096]))
                .unwrap();
        }
    });
    writer.join().unwrap();
    let outcome = tracer!().args(["--residency"]).launch(&[
        "read-file",
        "--path",
        path.to_str().unwrap(),
        "--cpu-node",
        &b.to_string(),
        "--secs",
        "12",
    ]);
    std::fs::remove_file(&path).unwrap();
    let run = or_skip!(outcome);
    let process = run.report.process(run.truth.pid()).expect("the workload");
    let mappings = process.0["mappings"].as_array().expect("mappings");
    let file = mappings
        .iter()
        .find(|m| m["name"] == path.to_str().unwrap())
        .unwrap_or_else(|| panic!("no mapping of the file: {mappings:#?}"));
    assert_eq!(file["kind"], "file");
    let lie = Part(file).vector("/residency").expect("where it lies");
    assert!(lie[at(a)] >= 2000, "on {a}: {lie:?}");
    let findings = run.report.value["findings"].as_array().unwrap();
    let ids: Vec<&str> = findings.iter().filter_map(|f| f["id"].as_str()).collect();
    assert!(
        ids.contains(&"page-cache-filled-elsewhere"),
        "{findings:#?}"
    );
    assert!(!ids.contains(&"first-touch-elsewhere"), "{findings:#?}");
}

#[test]
fn page_cache_is_told_by_file_with_who_filled_it_and_where() {
    let (a, b) = two_nodes_or_skip!();
    for by_mapping in [false, true] {
        let path = data_file("filled");
        let (a, b, text) = (a.to_string(), b.to_string(), path.display().to_string());
        let mut words = vec!["file", "--path", &text, "--pages", "1000"];
        words.extend(["--write-node", &a, "--cpu-node", &b]);
        words.extend(by_mapping.then_some("--mmap"));
        let run = or_skip!(tracer!().launch(&words));
        let (a, b) = (
            at(a.parse().expect("a node")),
            at(b.parse().expect("a node")),
        );
        let process = run.report.process(run.truth.pid()).expect("the workload");
        let files = process.0["page_cache"].as_array().expect("page_cache");
        let file = files
            .iter()
            .find(|file| {
                file["file"]
                    .as_str()
                    .is_some_and(|name| name.starts_with(&text))
            })
            .unwrap_or_else(|| panic!("not {text}: {files:#?}"));
        let pages = Part(file).matrix("/pages").expect("a matrix");
        // Written by calls on one node, dropped, and read again on the other.
        within_a_hundredth("written", pages[a][a], 1000, 0);
        within_a_hundredth("read again", pages[b][b], 1000, 0);
        let by_fault = Part(file).count("/by_fault").expect("a count");
        within_a_hundredth("by faults", by_fault, if by_mapping { 1000 } else { 0 }, 0);
        assert_eq!(file["by_tid"][0]["tid"], run.truth.pid(), "{file:#}");
    }
}
