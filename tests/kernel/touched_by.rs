//! Memory that a different process touches first: it belongs to its owner, and the report names who
//! touched it.

use numatrace_tests::harness::report::Part;
use numatrace_tests::harness::tracer::Traced;
use numatrace_tests::{or_skip, tracer};
use serde_json::Value;

use crate::support::compare::{Overhead, is_expected_with_overhead};
use crate::support::machine::at;
use crate::two_nodes_or_skip;

const PAGES: u64 = 4096;

fn written(by: &str, cpu: u32, memory: u32) -> Vec<String> {
    let args = format!("written --by {by} --pages {PAGES} --cpu-node {cpu} --node {memory}");
    args.split(' ').map(str::to_owned).collect()
}

fn words(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

/// The base pages that `writer` touched, in an entry `by_others`.
fn by(writer: u64, touch: &Value) -> u64 {
    let others = touch["by_others"].as_array();
    let others = others.unwrap_or_else(|| panic!("nobody else touched: {touch:#}"));
    let mut found = others.iter().filter(|by| by["pid"] == writer);
    let by = found.next().expect("the writer is named");
    assert_eq!(by["comm"], "workload", "{others:?}");
    by["pages"].as_u64().unwrap()
}

/// Pages that may lack the name of their writer on kernels that preempt programs, where a fault can
/// be interrupted. On other kernels none may.
const NAMELESS: u64 = 4;

fn nameless(run: &Traced) -> u64 {
    let preempts = run.report.count("/coverage/caught_by_twin").is_some();
    if preempts { NAMELESS } else { 0 }
}

/// Asserts that the owner has the pages, by the hand of the writer, and the writer their
/// allocations, as far as the kernel did not skip our programs.
fn owner_has_all(run: &Traced, cpu: u32, memory: u32) {
    let (writer, owner) = (run.truth.pid(), run.truth.count("owner_pid").unwrap());
    let least = PAGES - run.report.recursion_misses().min(PAGES / 100);
    let of = |pid| run.report.process(pid).expect("both are in the report");
    let pages = of(owner).matrix("/first_touch/pages").unwrap();
    assert!(pages[at(cpu)][at(memory)] >= least, "{pages:?}");
    let touched = by(writer, &of(owner).0["first_touch"]);
    let named = least - nameless(run)..PAGES + 16;
    assert!(named.contains(&touched), "{touched}");
    // The mapping has no thread of the owner that touched it.
    let mappings = of(owner).0["mappings"].as_array().unwrap();
    let in_mappings: Vec<&Value> = mappings
        .iter()
        .filter(|mapping| mapping["first_touch"]["by_others"].is_array())
        .collect();
    let largest = in_mappings
        .iter()
        .max_by_key(|mapping| by(writer, &mapping["first_touch"]))
        .expect("a mapping names the writer");
    assert!(
        named.contains(&by(writer, &largest["first_touch"])),
        "{in_mappings:#?}"
    );
    let threads = largest["first_touch"]["by_tid"].as_array().unwrap();
    let own: u64 = threads.iter().filter_map(|by| by["pages"].as_u64()).sum();
    assert!(own < 100, "{threads:?}");

    let anon = of(writer).count("/first_touch/by_kind/anon").unwrap();
    is_expected_with_overhead("of the writer", anon, 0, Overhead::measured().kind("anon"));
    assert!(of(writer).0["first_touch"].get("by_others").is_none());
    let allocated = of(writer).vector("/alloc/numa_hit").unwrap();
    assert!(allocated[at(memory)] >= least, "{allocated:?}");
}

#[test]
fn memory_that_process_vm_writev_fills_belongs_to_its_owner() {
    let (a, b) = two_nodes_or_skip!();
    let run = or_skip!(tracer!().launch(&words(&written("writev", a, a))));
    owner_has_all(&run, a, a);
    // Pages that are bound to the other node are remote, and the policy is the owner's.
    let run = or_skip!(tracer!().launch(&words(&written("writev", a, b))));
    owner_has_all(&run, a, b);
}

#[test]
fn memory_that_ptrace_fills_belongs_to_its_owner() {
    let (a, _) = two_nodes_or_skip!();
    let run = or_skip!(tracer!().launch(&words(&written("ptrace", a, a))));
    owner_has_all(&run, a, a);
}

#[test]
fn the_memory_of_a_traced_process_is_its_own_whoever_fills_it() {
    let (a, _) = two_nodes_or_skip!();
    // Only the writer is in scope: what it puts into its child is out of scope.
    let args = written("writev", a, a);
    let run = or_skip!(tracer!().args(["--no-children"]).attach(&words(&args)));
    let others = run.report.bucket("[out of scope]").expect("the child");
    let touched = by(run.truth.pid(), &others.0["first_touch"]);
    let least = PAGES - run.report.recursion_misses().min(PAGES / 100);
    let named = least - nameless(&run)..PAGES + 16;
    assert!(named.contains(&touched), "{touched}");
    let writer: Part<'_> = run.report.process(run.truth.pid()).expect("the writer");
    let anon = writer.count("/first_touch/by_kind/anon").unwrap();
    assert!(anon < 300, "{anon}");
}
