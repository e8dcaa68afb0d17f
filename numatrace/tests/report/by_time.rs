//! `first-touch-elsewhere` without sampled accesses: CPU time stands in for them, and only where it
//! says enough.

use numatrace::ids::{NodeId, Tid};
use numatrace::model::finding::diagnose;
use numatrace::model::{
    Addr, Bind, BindWhat, Finding, FirstTouch, HintFaults, Mapping, MappingFirstTouch, MappingKind,
    MappingMigrations, Matrix, PerNode, Snapshot, TaskMoves, Thread, TidPages,
};

use crate::fixture;

const SECOND: u64 = 1_000_000_000;

/// 64 MiB that the main thread touched on node 0, and CPU time in ns by node: of the main thread,
/// and of two workers.
fn touched(main: [u64; 2], workers: [[u64; 2]; 2]) -> Snapshot {
    let mut snapshot = fixture::launched();
    snapshot.host.numa_balancing = Some(0);
    let app = &mut snapshot.processes[0];
    let ran = [main, workers[0], workers[1]];
    app.threads = (4242..)
        .zip(ran)
        .map(|(tid, ran)| Thread {
            run_ns: Some(PerNode(ran.to_vec())),
            ..Thread::new(Tid(tid), if tid == 4242 { "app" } else { "worker" })
        })
        .collect();
    app.run_ns = Some(PerNode(
        [0, 1]
            .map(|node| ran.map(|ran| ran[node]).iter().sum())
            .to_vec(),
    ));
    let mut placed = Matrix::zeros(2);
    placed.add_at(0, 0, 16_384);
    app.first_touch = Some(FirstTouch {
        pages: Some(placed.clone()),
        ..FirstTouch::default()
    });
    app.hint_faults = None;
    app.page_migrations = None;
    app.balancer = None;
    app.home_node = Some(NodeId(0));
    app.away_ns = app.run_ns.as_ref().map(|ran| ran.at(1));
    // The workers were born on the other node.
    app.task_moves = Some(TaskMoves {
        total: Some(2),
        cross_node: Some(2),
        ..TaskMoves::default()
    });
    app.mappings = vec![Mapping {
        start: Addr(0x7f00_0000_0000),
        end: Addr(0x7f00_0400_0000),
        kind: MappingKind::Anon,
        name: "[anon]".into(),
        first_touch: Some(MappingFirstTouch {
            pages: Some(placed),
            by_tid: vec![TidPages {
                tid: Tid(4242),
                pages: 16_384,
                remote: Some(0),
                node: Some(NodeId(0)),
                last_ns: Some(5_000),
            }],
            ..MappingFirstTouch::default()
        }),
        hint_faults: None,
        page_migrations: None,
        users: Vec::new(),
        surprise_pages: None,
        shared_elsewhere_pages: None,
        residency: None,
        file_system: None,
    }];
    snapshot
}

/// The common case: the main thread initialises for a moment, and the workers work on node 1.
fn usual() -> Snapshot {
    touched(
        [SECOND / 5, 0],
        [[0, SECOND], [SECOND / 100, 13 * SECOND / 10]],
    )
}

fn found(snapshot: &Snapshot, id: &str) -> Option<Finding> {
    let mut findings = diagnose(snapshot).into_iter();
    findings.find(|finding| finding.id == id)
}

fn title(snapshot: &Snapshot) -> Option<String> {
    found(snapshot, "first-touch-elsewhere").map(|finding| finding.title)
}

#[test]
fn memory_of_the_main_thread_that_workers_use_elsewhere_is_found_by_their_cpu_time() {
    let snapshot = usual();
    let finding = found(&snapshot, "first-touch-elsewhere").unwrap();
    assert_eq!(
        finding.title,
        "app (4242) touched 64.0 MiB on node 0 first, and it ran 91.6 % of its CPU time on node 1"
    );
    let last = finding.evidence.last().unwrap();
    assert_eq!(
        last,
        "no sampled accesses (NUMA balancing is off): its threads ran 91.6 % of their CPU time on \
         node 1 (2.30 of 2.51 s)"
    );
    assert!(
        finding.fix.contains("--cpunodebind=1 --membind=1")
            && finding
                .fix
                .contains("move what is there (64.0 MiB): migratepages 4242 0 1"),
        "{finding:#?}"
    );
    // The workers did not run away: they never were where the memory is.
    assert_eq!(found(&snapshot, "ran-away-from-memory"), None);
}

#[test]
fn the_other_direction_is_found_as_well() {
    let mut snapshot = usual();
    let app = &mut snapshot.processes[0];
    let turned = |ran: &mut Option<PerNode>| ran.as_mut().unwrap().0.reverse();
    turned(&mut app.run_ns);
    app.threads
        .iter_mut()
        .for_each(|thread| turned(&mut thread.run_ns));
    app.home_node = Some(NodeId(1));
    let mut placed = Matrix::zeros(2);
    placed.add_at(1, 1, 16_384);
    app.first_touch.as_mut().unwrap().pages = Some(placed.clone());
    app.mappings[0].first_touch.as_mut().unwrap().pages = Some(placed);
    let says = title(&snapshot).unwrap();
    assert!(says.contains("on node 1 first, and it ran 91.6 % of its CPU time on node 0"));
}

#[test]
fn initialising_that_took_as_long_as_the_work_hides_nothing() {
    let snapshot = touched([SECOND, 0], [[0, SECOND / 2], [0, 3 * SECOND / 5]]);
    let says = title(&snapshot).unwrap();
    assert_eq!(
        says,
        "app (4242) touched 64.0 MiB on node 0 first, and its other threads ran 100 % of their CPU \
         time on node 1"
    );
    // A helper that does little is no user.
    assert_eq!(
        title(&touched([SECOND, 0], [[0, SECOND / 2], [0, 0]])),
        None
    );
}

#[test]
fn memory_used_where_it_was_touched_is_no_finding() {
    let both_at_home = touched([SECOND, 0], [[SECOND, 0], [SECOND, SECOND / 10]]);
    assert_eq!(title(&both_at_home), None);
    let spread = touched([SECOND / 5, 0], [[SECOND, 0], [0, SECOND]]);
    assert_eq!(title(&spread), None, "no node has most of the CPU time");
}

#[test]
fn too_little_cpu_time_says_nothing() {
    assert_eq!(
        title(&touched([0, 0], [[0, SECOND / 20], [0, SECOND / 25]])),
        None
    );
    assert!(title(&touched([0, 0], [[0, SECOND / 20], [0, SECOND / 19]])).is_some());
}

#[test]
fn spread_memory_and_little_memory_are_no_finding() {
    let with = |placed: [[u64; 2]; 2]| {
        let mut snapshot = usual();
        let placed = Matrix(placed.map(|row| PerNode(row.to_vec())).to_vec());
        let app = &mut snapshot.processes[0];
        app.first_touch.as_mut().unwrap().pages = Some(placed.clone());
        app.mappings[0].first_touch.as_mut().unwrap().pages = Some(placed);
        title(&snapshot)
    };
    assert_eq!(with([[8_192, 0], [0, 8_192]]), None, "half of it");
    assert_eq!(with([[255, 0], [0, 0]]), None, "little");
    assert!(with([[256, 0], [0, 0]]).is_some());
    // Touched from node 1: a policy, or a full node, put it there.
    assert_eq!(with([[0, 0], [16_384, 0]]), None);
}

#[test]
fn memory_that_was_moved_to_its_users_is_no_finding() {
    let mut snapshot = usual();
    let mut matrix = Matrix::zeros(2);
    matrix.add_at(0, 1, 12_000);
    snapshot.processes[0].mappings[0].page_migrations =
        Some(MappingMigrations { matrix, bounced: 0 });
    assert_eq!(title(&snapshot), None);
    // Moved, and back again: where pages lie at the end counts.
    snapshot.processes[0].mappings[0].residency = Some(PerNode(vec![16_300, 84]));
    assert!(title(&snapshot).is_some());
}

#[test]
fn files_are_shared_by_design() {
    let mut snapshot = usual();
    snapshot.processes[0].mappings[0].kind = MappingKind::File;
    assert_eq!(title(&snapshot), None);
}

#[test]
fn sampled_accesses_decide_where_there_are_enough() {
    let with = |accesses: [[u64; 2]; 2]| {
        let mut snapshot = usual();
        snapshot.host.numa_balancing = Some(1);
        snapshot.processes[0].mappings[0].hint_faults = Some(HintFaults {
            matrix: Some(Matrix(accesses.map(|row| PerNode(row.to_vec())).to_vec())),
            migrated: Some(0),
        });
        found(&snapshot, "first-touch-elsewhere")
    };
    assert_eq!(with([[400, 0], [100, 0]]), None, "they are local");
    assert_eq!(with([[7, 0], [2, 0]]), None, "what there is is local");
    let few = with([[2, 0], [7, 0]]).unwrap();
    let last = few.evidence.last().unwrap();
    assert!(
        last.starts_with("only 9 sampled accesses: its threads ran 91.6 %"),
        "{last}"
    );
    let none = with([[0, 0], [0, 0]]).unwrap();
    let last = none.evidence.last().unwrap();
    assert!(
        last.starts_with("no sampled accesses: its threads"),
        "{last}"
    );
}

#[test]
fn a_thread_that_left_the_memory_it_had_touched_ran_away() {
    let mut moved = touched([SECOND / 10, 2 * SECOND], [[0, SECOND], [0, SECOND]]);
    assert_eq!(title(&moved), None);
    assert!(found(&moved, "ran-away-from-memory").is_some());
    // Without a move between nodes it did not: it is two findings' case never.
    moved.processes[0].task_moves.as_mut().unwrap().cross_node = Some(0);
    assert!(title(&moved).is_some());
    assert_eq!(found(&moved, "ran-away-from-memory"), None);
}

#[test]
fn a_bind_after_the_touch_is_the_cause_alone() {
    let mut snapshot = touched([SECOND / 10, 2 * SECOND], [[0, 0], [0, 0]]);
    snapshot.processes[0].threads[0].binds = vec![Bind {
        what: BindWhat::Affinity,
        time_ns: 6_000,
        after_ns: 1_000,
        range: None,
    }];
    assert!(found(&snapshot, "touched-before-bind").is_some());
    assert_eq!(title(&snapshot), None);
}

#[test]
fn memory_of_before_the_session_is_named_as_a_gap() {
    let with = |began_ns| {
        let mut snapshot = usual();
        snapshot.session.began_ns = Some(began_ns);
        snapshot
    };
    let last = |began_ns| {
        let snapshot = with(began_ns);
        let finding = found(&snapshot, "first-touch-elsewhere").unwrap();
        finding.evidence.last().unwrap().clone()
    };
    let start_ns = usual().processes[0].start_ns;
    assert!(last(start_ns + 1).starts_with("it began before this session"));
    assert!(last(start_ns).starts_with("no sampled accesses"));
    // A little new memory says nothing where there may be much more.
    let little = |began_ns| {
        let mut snapshot = with(began_ns);
        let mut placed = Matrix::zeros(2);
        placed.add_at(0, 0, 4_000);
        let touch = snapshot.processes[0].mappings[0].first_touch.as_mut();
        touch.unwrap().pages = Some(placed);
        title(&snapshot)
    };
    assert_eq!(little(start_ns + 1), None);
    assert!(little(start_ns).is_some());
}
