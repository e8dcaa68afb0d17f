//! Memory by mapping: what is said about who placed it and who uses it, and when nothing is.

use numatrace::ids::{NodeId, Pid, Tid};
use numatrace::model::finding::diagnose;
use numatrace::model::{
    Addr, Bind, BindWhat, FilledFile, Finding, FirstTouch, Frame, HintFaults, Mapping,
    MappingFirstTouch, MappingKind, MappingMigrations, Matrix, PerNode, Snapshot, Stack, TidFaults,
    TidPages,
};
use numatrace::output::text::{TextOptions, render};

use crate::fixture;

fn matrix(rows: [[u64; 2]; 2]) -> Matrix {
    Matrix(rows.map(|row| PerNode(row.to_vec())).to_vec())
}

/// 64 MiB that thread 4242 touched on node 0 and thread 4243 uses from node 1.
fn region() -> Mapping {
    Mapping {
        start: Addr(0x7f00_0000_0000),
        end: Addr(0x7f00_0400_0000),
        kind: MappingKind::Anon,
        name: "[anon]".into(),
        first_touch: Some(MappingFirstTouch {
            pages: Some(matrix([[16_384, 0], [0, 0]])),
            by_tid: vec![TidPages {
                tid: Tid(4242),
                pages: 16_384,
                remote: Some(0),
                node: Some(NodeId(0)),
                last_ns: Some(5_000),
            }],
            thp: Some(0),
            remote_by_cause: None,
            stacks: Vec::new(),
            by_stack: Vec::new(),
        }),
        hint_faults: Some(HintFaults {
            matrix: Some(matrix([[0, 0], [8_000, 100]])),
            migrated: Some(4_096),
        }),
        page_migrations: Some(MappingMigrations {
            matrix: matrix([[0, 4_096], [40, 0]]),
            bounced: 40,
        }),
        users: vec![TidFaults {
            tid: Tid(4243),
            faults: 8_100,
            remote: 8_000,
            node: Some(NodeId(1)),
        }],
        surprise_pages: Some(16_384),
        shared_elsewhere_pages: Some(0),
        residency: None,
    }
}

/// The launched program of the fixtures with these mappings.
fn with(mappings: Vec<Mapping>) -> Snapshot {
    let mut snapshot = fixture::launched();
    snapshot.processes[0].mappings = mappings;
    snapshot
}

fn found(snapshot: &Snapshot, id: &str) -> Option<Finding> {
    diagnose(snapshot)
        .into_iter()
        .find(|finding| finding.id == id)
}

#[test]
fn who_placed_memory_and_who_uses_it_is_said_with_what_it_takes_to_move_it() {
    let snapshot = with(vec![region()]);
    let finding = found(&snapshot, "first-touch-elsewhere").unwrap();
    assert_eq!(finding.pid, Some(Pid(4242)));
    let whole = format!("{finding:?}");
    for needle in [
        "64.0 MiB on node 0",
        "from node 1",
        "16,384 of its 16,384 pages",
        "thread app (4242)",
        "thread worker (4243)",
        "8,000 of 8,100 sampled accesses",
        // 4,096 pages followed already, and 40 of them went back.
        "migratepages 4242 0 1 (48.2 MiB)",
    ] {
        assert!(whole.contains(needle), "{needle}: {finding:#?}");
    }
    assert_eq!(diagnose(&snapshot)[0].id, "first-touch-elsewhere");
}

#[test]
fn memory_without_users_elsewhere_and_page_cache_are_no_surprise() {
    let at_home = Mapping {
        surprise_pages: Some(100),
        ..region()
    };
    let page_cache = Mapping {
        kind: MappingKind::File,
        surprise_pages: Some(0),
        shared_elsewhere_pages: Some(16_384),
        ..region()
    };
    let snapshot = with(vec![at_home, page_cache]);
    assert_eq!(found(&snapshot, "first-touch-elsewhere"), None);
    assert_eq!(found(&snapshot, "touched-before-bind"), None);
}

/// The same memory, but its toucher went over to the other node itself, bound at `time_ns`.
fn rebound(time_ns: u64) -> Snapshot {
    let mut mapping = region();
    mapping.users[0].tid = Tid(4242);
    let mut snapshot = with(vec![mapping]);
    snapshot.processes[0].threads[0].binds = vec![Bind {
        what: BindWhat::Affinity,
        time_ns,
        after_ns: 1_500_000_000,
        range: None,
    }];
    snapshot
}

#[test]
fn a_bind_after_the_touch_is_the_cause_and_one_before_it_is_not() {
    let late = rebound(6_000);
    let finding = found(&late, "touched-before-bind").unwrap();
    let whole = format!("{finding:?}");
    assert!(
        whole.contains("by sched_setaffinity(2) 1.50 s after it began"),
        "{whole}"
    );
    assert_eq!(found(&late, "first-touch-elsewhere"), None);

    let early = rebound(4_000);
    assert_eq!(found(&early, "touched-before-bind"), None);
    assert!(found(&early, "first-touch-elsewhere").is_some());
}

#[test]
fn memory_that_has_followed_its_users_is_not_to_be_moved_again() {
    let followed = |mut snapshot: Snapshot| {
        let mapping = &mut snapshot.processes[0].mappings[0];
        mapping.page_migrations = Some(MappingMigrations {
            matrix: matrix([[0, 16_300], [0, 0]]),
            bounced: 0,
        });
        snapshot
    };
    let bound = found(&followed(rebound(6_000)), "touched-before-bind").unwrap();
    let told = "63.7 MiB of it moved to node 1 meanwhile";
    assert!(bound.evidence.iter().any(|fact| fact == told), "{bound:#?}");
    let elsewhere = found(&followed(with(vec![region()])), "first-touch-elsewhere").unwrap();
    for finding in [bound, elsewhere] {
        assert!(!finding.fix.contains("migratepages"), "{finding:#?}");
    }
}

#[test]
fn a_part_that_is_used_elsewhere_is_no_reason_to_move_all_of_it() {
    let surprising = Mapping {
        surprise_pages: Some(2_000),
        ..region()
    };
    let mut snapshot = with(vec![surprising]);
    snapshot.processes[0].first_touch = Some(FirstTouch {
        pages: Some(matrix([[16_384, 0], [0, 0]])),
        ..FirstTouch::default()
    });
    snapshot.processes[0].mappings[0].page_migrations = None;
    snapshot.processes[0].mappings[0].hint_faults = Some(HintFaults {
        matrix: Some(matrix([[14_000, 0], [8_000, 100]])),
        migrated: Some(0),
    });
    let finding = found(&snapshot, "first-touch-elsewhere").unwrap();
    assert!(!finding.fix.contains("migratepages"), "{finding:#?}");
}

#[test]
fn a_policy_for_a_range_speaks_of_what_lies_in_it_alone() {
    let told = |range| {
        let mut snapshot = rebound(6_000);
        let bind = &mut snapshot.processes[0].threads[0].binds[0];
        (bind.what, bind.range) = (BindWhat::RangePolicy, Some(range));
        found(&snapshot, "touched-before-bind")
    };
    let (start, end) = (region().start, region().end);
    let inside = told([Addr(start.0 + 4096), Addr(start.0 + 8192)]).unwrap();
    assert!(format!("{inside:?}").contains("by mbind(2)"), "{inside:?}");
    assert_eq!(told([end, Addr(end.0 + 4096)]), None);
}

#[test]
fn the_memory_of_the_process_stands_before_the_nodes() {
    let mut snapshot = with(vec![
        region(),
        Mapping {
            name: "/usr/lib/x86_64-linux-gnu/libwith-a-long-name.so.6.0.1 text".into(),
            kind: MappingKind::File,
            surprise_pages: Some(0),
            ..region()
        },
    ]);
    snapshot.findings = diagnose(&snapshot);
    let text = render(&snapshot, &TextOptions::default());
    let (memory, nodes) = (
        text.find("Memory of app (4242)").unwrap(),
        text.find("\nNodes").unwrap(),
    );
    assert!(
        text.find("Findings").unwrap() < memory && memory < nodes,
        "{text}"
    );
    assert!(text.contains("…bwith-a-long-name.so.6.0.1 text"), "{text}");
    assert!(!render(&fixture::two_nodes(), &TextOptions::default()).contains("Memory of"));
}

#[test]
fn a_file_that_lies_elsewhere_is_page_cache_and_not_a_surprise() {
    let mut file = Mapping {
        name: "/data/table".into(),
        kind: MappingKind::File,
        surprise_pages: Some(0),
        residency: Some(PerNode(vec![2_000, 48])),
        ..region()
    };
    // It runs on node 1.
    let mut snapshot = with(vec![file.clone()]);
    snapshot.processes[0].run_ns = Some(PerNode(vec![100, 900]));
    let finding = found(&snapshot, "page-cache-filled-elsewhere").unwrap();
    assert!(finding.evidence[0].starts_with("2,000 of the 2,048 pages of /data/table"));
    assert_eq!(found(&snapshot, "first-touch-elsewhere"), None);
    assert_eq!(found(&snapshot, "shared-text-remote"), None);

    // Who filled it in the session is said; who did so where it is used is not.
    let mut filler = fixture::program(
        77,
        "backup",
        fixture::alloc(&[0, 0], &[0, 0], |causes| &mut causes.policy),
    );
    let filled = |pages| {
        Some(vec![FilledFile {
            file: "/data/table".into(),
            pages: matrix(pages),
            ..FilledFile::default()
        }])
    };
    filler.page_cache = filled([[1_990, 0], [0, 0]]);
    snapshot.processes.push(filler.clone());
    let told = found(&snapshot, "page-cache-filled-elsewhere").unwrap();
    let sentence =
        "1,990 of its pages were brought in on other nodes by backup (77) in this session";
    assert_eq!(told.evidence.last().map(String::as_str), Some(sentence));
    snapshot.processes.pop();
    filler.page_cache = filled([[0, 0], [0, 1_990]]);
    snapshot.processes.push(filler);
    let told = found(&snapshot, "page-cache-filled-elsewhere").unwrap();
    assert_eq!(told.evidence.len(), 3, "{told:#?}");

    file.name = "/usr/bin/app text".into();
    snapshot.processes[0].mappings = vec![file.clone()];
    assert!(found(&snapshot, "shared-text-remote").is_some());

    file.residency = Some(PerNode(vec![48, 2_000]));
    snapshot.processes[0].mappings = vec![file];
    assert_eq!(found(&snapshot, "shared-text-remote"), None);
}

#[test]
fn huge_pages_are_named_only_when_several_nodes_share_them() {
    let mut shared = region();
    if let Some(touch) = &mut shared.first_touch {
        touch.thp = Some(16_384);
    }
    let one_node = with(vec![shared.clone()]);
    assert_eq!(
        found(&one_node, "thp-remote"),
        None,
        "used from node 1 alone"
    );
    shared.hint_faults = Some(HintFaults {
        matrix: Some(matrix([[5_000, 0], [4_000, 0]])),
        migrated: Some(0),
    });
    assert!(found(&with(vec![shared.clone()]), "thp-remote").is_some());
    shared.hint_faults = Some(HintFaults {
        matrix: Some(matrix([[50, 0], [40, 0]])),
        migrated: Some(0),
    });
    let few = with(vec![shared]);
    assert_eq!(found(&few, "thp-remote"), None, "a handful of samples");
}

#[test]
fn the_function_that_touched_it_is_named_past_what_was_inlined() {
    let frame = |symbol: &str, line: &str, inlined| Frame {
        symbol: Some(symbol.into()),
        line: Some(line.into()),
        inlined,
        ..Frame::default()
    };
    let told = |frames| {
        let mut mapping = region();
        if let Some(touch) = &mut mapping.first_touch {
            touch.stacks = vec![0];
        }
        let mut snapshot = with(vec![mapping]);
        snapshot.stacks = vec![Stack {
            id: 0,
            frames,
            short: None,
        }];
        format!(
            "{:?}",
            found(&snapshot, "first-touch-elsewhere").unwrap().evidence
        )
    };
    let inlined = told(vec![
        frame("store", "atomic.rs:9", true),
        frame("write", "memory.rs:8", true),
        frame("init", "app.rs:7", false),
        frame("main", "app.rs:1", false),
    ]);
    let expected = "touched in store (atomic.rs:9) in init (app.rs:7), called by main (app.rs:1)";
    assert!(inlined.contains(expected), "{inlined}");
    let plain = told(vec![
        frame("fill", "a.c:3", false),
        frame("init", "a.c:2", false),
    ]);
    assert!(
        plain.contains("touched in fill (a.c:3), called by init (a.c:2)"),
        "{plain}"
    );
}

#[test]
fn interleaved_memory_that_one_node_uses_is_more_than_information() {
    let mut snapshot = fixture::interleaved();
    let at = snapshot
        .processes
        .iter()
        .position(|process| {
            process.alloc.as_ref().is_some_and(|alloc| {
                alloc
                    .interleave_hit
                    .as_ref()
                    .is_some_and(|hits| hits.total() > 0)
            })
        })
        .unwrap();
    let nodes = snapshot.host.nodes.len();
    let mut ran = vec![0; nodes];
    ran[0] = 1_000;
    snapshot.processes[at].run_ns = Some(PerNode(ran));
    let one = found(&snapshot, "interleave-mismatch").unwrap();
    assert!(one.fix.contains("--cpunodebind=0 --membind=0"), "{one:#?}");
    assert_eq!(found(&snapshot, "remote-by-policy"), None);

    snapshot.processes[at].run_ns = Some(PerNode(vec![500; nodes]));
    assert_eq!(found(&snapshot, "interleave-mismatch"), None);
    assert!(found(&snapshot, "remote-by-policy").is_some());
}
