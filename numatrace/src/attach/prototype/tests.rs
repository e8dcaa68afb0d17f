//! Claims about declaration lines and their comparison: on hand-made kernels, on the probe files,
//! and on this kernel.

use std::path::Path;

use super::*;
use crate::attach::btf::{
    VMLINUX,
    fixture::{BtfBuilder, STRUCT},
};

/// Returns a kernel with `int migrate(struct page *page, int reason)` and the tracepoint
/// `moved(struct page *)`.
fn kernel() -> KernelBtf {
    let mut b = BtfBuilder::new();
    let int = b.int("int", 4);
    let page = b.aggregate(STRUCT, "page", 64, &[]);
    let page_ptr = b.ptr(page);
    b.func("migrate", int, &[("page", page_ptr), ("reason", int)]);
    b.tracepoint("moved", &[page_ptr]);
    KernelBtf::from_bytes(b.build()).unwrap()
}

fn difference(line: &str) -> Option<String> {
    let expected = expectations(line).unwrap();
    let series = Series {
        major: 6,
        minor: 12,
    };
    expected[0]
        .difference("demo", series, &kernel())
        .map(|difference| difference.to_string())
}

#[test]
fn a_kernel_with_the_expected_prototypes_has_no_difference() {
    assert_eq!(
        difference("//! proto: 6.1..: int migrate(struct page *page, int why)"),
        None
    );
    assert_eq!(
        difference("//! tp: 6.1..6.18: moved(struct page *page)"),
        None
    );
}

#[test]
fn a_difference_names_probe_kernel_and_both_prototypes() {
    assert_eq!(
        difference("//! proto: 6.1..: int migrate(struct folio *folio, int reason)").unwrap(),
        "probe demo, kernel 6.12: expected `int migrate(struct folio *folio, int reason)`, \
         found `int migrate(struct page *page, int reason)`"
    );
    let argument_more = difference("//! tp: 6.1..: moved(struct page *page, int node)").unwrap();
    assert!(
        argument_more.ends_with("found `void moved(struct page *)`"),
        "{argument_more}"
    );
    let gone = difference("//! proto: 6.1..: int vanished(int x)").unwrap();
    assert!(gone.ends_with("found nothing of that name"), "{gone}");
    assert!(
        difference("//! tp: 6.1..: migrate(struct page *page, int reason)").is_some(),
        "a function is no tracepoint"
    );
}

#[test]
fn a_line_that_cannot_be_read_is_an_error_with_its_number() {
    let error = |source: &str| expectations(source).unwrap_err().to_string();
    assert!(error("//! text\n//! proto: int f(void)").starts_with("line 2: no range of kernels"));
    assert!(
        error("//! proto: 6.18..6.1: int f(void)").starts_with("line 1: `6.18..6.1` is no range")
    );
    assert!(error("//! tp: 6.1..: f(int x").starts_with("line 1: expected `,`"));
    assert_eq!(
        expectations("// proto: 6.1..: int f(void)\nlet proto = 1;")
            .unwrap()
            .len(),
        0
    );
}

#[test]
fn every_probe_file_is_embedded_and_declares_what_it_hooks() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../numatrace-ebpf/src/probes");
    let mut stems: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| {
            path.file_stem()
                .map(|stem| stem.to_string_lossy().into_owned())
        })
        .filter(|stem| stem != "mod")
        .collect();
    stems.sort();
    let embedded: Vec<&str> = PROBES.iter().map(|(stem, _)| *stem).collect();
    assert_eq!(
        stems, embedded,
        "list each probe file in attach/prototype/sources.rs, by name"
    );
    for (stem, source) in PROBES {
        let declared = expectations(source).unwrap_or_else(|error| panic!("{stem}.rs: {error}"));
        assert!(
            !declared.is_empty(),
            "{stem}.rs has no `proto:` or `tp:` line"
        );
    }
}

#[test]
fn ranges_of_one_target_overlap_only_where_their_prototypes_differ() {
    for (stem, source) in PROBES {
        let declared = expectations(source).unwrap();
        for (index, one) in declared.iter().enumerate() {
            for other in declared[index + 1..]
                .iter()
                .filter(|other| one.is_of_same_target(other))
            {
                let overlap = one.kernels.contains(other.kernels.from)
                    || other.kernels.contains(one.kernels.from);
                assert!(
                    !overlap || !one.proto.same_types(&other.proto),
                    "{stem}.rs: {} for {} and {}",
                    one.proto.name,
                    one.kernels,
                    other.kernels
                );
            }
        }
    }
}

#[test]
fn this_kernel_is_as_the_probes_expect() {
    if !Path::new(VMLINUX).exists() {
        return;
    }
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let kernel = Series::of_release(&release).unwrap();
    let btf = KernelBtf::from_path(Path::new(VMLINUX)).unwrap();
    let differences = differences(kernel, &btf).unwrap();
    let lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

#[test]
fn a_prototype_that_no_probe_was_written_for_is_a_mismatch() {
    let mismatch = |changed: &KernelBtf| {
        Mismatches::of(changed)
            .find(TargetKind::Function, "fold_vm_numa_events")
            .map(ToString::to_string)
    };
    let mut b = BtfBuilder::new();
    let int = b.int("int", 4);
    b.func("fold_vm_numa_events", 0, &[("node", int)]);
    let changed = KernelBtf::from_bytes(b.build()).unwrap();
    assert_eq!(
        mismatch(&changed).unwrap(),
        "void fold_vm_numa_events(int node)"
    );
    assert_eq!(mismatch(&kernel()), None, "absent is no mismatch");
}

#[test]
fn another_name_for_a_number_does_not_keep_a_probe_away() {
    let passed = |one: &str, other: &str| {
        let read = |text: &str| cparse::function(text).unwrap();
        read(one).passed_like(&read(other))
    };
    assert!(passed(
        "int f(int reason)",
        "int f(enum migrate_reason reason)"
    ));
    assert!(passed(
        "int f(const struct page *p)",
        "long f(struct page *page)"
    ));
    assert!(!passed("int f(struct page *p)", "int f(struct folio *p)"));
    assert!(!passed("int f(struct page *p)", "int f(unsigned long p)"));
    assert!(!passed("int f(int a)", "void f(int a)"));
    assert!(!passed("int f(int a)", "int f(int a, int b)"));
    assert!(!passed(
        "int f(struct page **p)",
        "int f(struct list_head *p)"
    ));
    assert!(!passed("int f(struct a x)", "int f(struct b x)"));
}

#[test]
fn this_kernel_has_no_mismatch() {
    if Path::new(VMLINUX).exists() {
        let btf = KernelBtf::from_path(Path::new(VMLINUX)).unwrap();
        let mismatches = Mismatches::of(&btf);
        assert!(mismatches.0.is_empty(), "{mismatches:?}");
    }
}
