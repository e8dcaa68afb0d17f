//! Memory by mapping: findings about the threads that placed it and those that use it.

use numatrace::ids::Pid;
use numatrace::model::finding::diagnose;
use numatrace::model::{
    Addr, FilledFile, FirstTouch, HintFaults, Mapping, MappingKind, MappingMigrations, PerNode,
    Severity, Snapshot,
};
use numatrace::output::text::{TextOptions, render};

use crate::fixture;
use crate::fixture::memory::{found, matrix, rebound, region, with};

#[test]
fn memory_used_remotely_is_found_with_its_threads_and_the_command_to_move_it() {
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
        // 4,096 pages followed already, and 40 of them moved back.
        "15.8 MiB have since moved to node 1",
        "move what is there (48.2 MiB): migratepages 4242 0 1",
    ] {
        assert!(whole.contains(needle), "{needle}: {finding:#?}");
    }
    assert_eq!(diagnose(&snapshot)[0].id, "first-touch-elsewhere");
}

#[test]
fn memory_without_remote_users_and_page_cache_are_no_finding() {
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

#[test]
fn memory_that_followed_its_users_need_not_be_moved() {
    let followed = |mut snapshot: Snapshot| {
        let mapping = &mut snapshot.processes[0].mappings[0];
        mapping.page_migrations = Some(MappingMigrations {
            matrix: matrix([[0, 16_300], [0, 0]]),
            bounced: 0,
        });
        snapshot
    };
    let bound = found(&followed(rebound(6_000)), "touched-before-bind").unwrap();
    let sentence = "63.7 MiB of it have since moved to node 1";
    assert!(
        bound.evidence.iter().any(|fact| fact == sentence),
        "{bound:#?}"
    );
    let elsewhere = found(&followed(with(vec![region()])), "first-touch-elsewhere").unwrap();
    assert_eq!(
        (elsewhere.severity, elsewhere.title.as_str()),
        (
            Severity::Info,
            "app (4242) touched 64.0 MiB on node 0 first and used them from node 1, where they are \
             now"
        )
    );
    for finding in [bound, elsewhere] {
        assert!(!finding.fix.contains("migratepages"), "{finding:#?}");
    }
}

#[test]
fn remote_use_of_a_part_is_no_reason_to_move_all_of_it() {
    let surprising = Mapping {
        surprise_pages: Some(5_000),
        ..region()
    };
    let mut snapshot = with(vec![surprising]);
    snapshot.processes[0].first_touch = Some(FirstTouch {
        pages: Some(matrix([[16_384, 0], [0, 0]])),
        ..FirstTouch::default()
    });
    snapshot.processes[0].mappings[0].page_migrations = None;
    snapshot.processes[0].mappings[0].hint_faults = Some(HintFaults {
        matrix: Some(matrix([[7_900, 0], [8_000, 100]])),
        migrated: Some(0),
    });
    let finding = found(&snapshot, "first-touch-elsewhere").unwrap();
    assert!(!finding.fix.contains("migratepages"), "{finding:#?}");
}

#[test]
fn memory_used_mostly_from_its_own_node_is_no_finding() {
    let mut mapping = region();
    mapping.surprise_pages = Some(2_000);
    mapping.hint_faults = Some(HintFaults {
        matrix: Some(matrix([[4_111, 0], [2_033, 0]])),
        migrated: Some(0),
    });
    assert_eq!(found(&with(vec![mapping]), "first-touch-elsewhere"), None);
}

#[test]
fn memory_that_lies_and_is_used_the_other_way_round_is_a_finding_of_its_own() {
    let mut other = region();
    other.start = Addr(0x7e00_0000_0000);
    other.end = Addr(0x7e00_0100_0000);
    other.first_touch.as_mut().unwrap().pages = Some(matrix([[0, 0], [0, 4_096]]));
    other.hint_faults = Some(HintFaults {
        matrix: Some(matrix([[10, 900], [0, 0]])),
        migrated: Some(0),
    });
    other.surprise_pages = Some(4_000);
    other.page_migrations = None;
    let titles: Vec<String> = diagnose(&with(vec![other, region()]))
        .into_iter()
        .filter(|finding| finding.id == "first-touch-elsewhere")
        .map(|finding| finding.title)
        .collect();
    assert_eq!(
        titles,
        [
            "app (4242) touched 64.0 MiB on node 0 first and uses them from node 1",
            "app (4242) touched 15.6 MiB on node 1 first and uses them from node 0",
        ]
    );
}

#[test]
fn memory_of_before_the_session_was_not_touched_first_in_it() {
    let mut mapping = region();
    mapping.first_touch.as_mut().unwrap().pages = Some(matrix([[0, 0], [0, 0]]));
    mapping.page_migrations = None;
    let finding = found(&with(vec![mapping]), "first-touch-elsewhere").unwrap();
    assert_eq!(
        finding.title,
        "app (4242) uses 64.0 MiB on node 0 from node 1"
    );
}

#[test]
fn the_memory_of_the_process_is_listed_before_the_nodes() {
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
fn a_file_on_a_remote_node_is_a_finding_about_page_cache() {
    let mut file = Mapping {
        name: "/data/table".into(),
        kind: MappingKind::File,
        surprise_pages: Some(0),
        residency: Some(PerNode(vec![2_000, 48])),
        ..region()
    };
    // The process runs on node 1.
    let mut snapshot = with(vec![file.clone()]);
    snapshot.processes[0].run_ns = Some(PerNode(vec![100, 900]));
    let finding = found(&snapshot, "page-cache-filled-elsewhere").unwrap();
    assert!(finding.evidence[0].starts_with("2,000 of the 2,048 pages of /data/table"));
    assert_eq!(found(&snapshot, "first-touch-elsewhere"), None);
    assert_eq!(found(&snapshot, "shared-text-remote"), None);
    // A node without memory could not have it.
    let mut bare = snapshot.clone();
    bare.host.nodes[1].mem_kb = Some(0);
    assert_eq!(found(&bare, "page-cache-filled-elsewhere"), None);

    // A process that filled it in the session is named, unless it did so on the node of the users.
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
    let finding = found(&snapshot, "page-cache-filled-elsewhere").unwrap();
    let sentence = "backup (77) brought in 1,990 of its pages on other nodes in this session";
    assert_eq!(finding.evidence.last().map(String::as_str), Some(sentence));
    snapshot.processes.pop();
    filler.page_cache = filled([[0, 0], [0, 1_990]]);
    snapshot.processes.push(filler);
    let finding = found(&snapshot, "page-cache-filled-elsewhere").unwrap();
    assert_eq!(finding.evidence.len(), 3, "{finding:#?}");

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
