//! `touched-before-bind`: memory that was touched before a thread or the memory itself was bound.

use numatrace::model::{Addr, Bind, BindWhat, HintFaults};

use crate::fixture::memory::{found, matrix, rebound, region, with};

#[test]
fn a_bind_after_the_touch_is_the_cause_and_one_before_it_is_not() {
    let late = rebound(6_000);
    let finding = found(&late, "touched-before-bind").unwrap();
    let whole = format!("{finding:?}");
    assert!(
        whole.contains("by sched_setaffinity(2) 1.50 s after it started"),
        "{whole}"
    );
    assert_eq!(found(&late, "first-touch-elsewhere"), None);

    let early = rebound(4_000);
    assert_eq!(found(&early, "touched-before-bind"), None);
    assert!(found(&early, "first-touch-elsewhere").is_some());
}

#[test]
fn a_policy_for_a_range_concerns_memory_in_it_only() {
    let bound = |range| {
        let mut snapshot = rebound(6_000);
        let bind = &mut snapshot.processes[0].threads[0].binds[0];
        (bind.what, bind.range) = (BindWhat::RangePolicy, Some(range));
        found(&snapshot, "touched-before-bind")
    };
    let (start, end) = (region().start, region().end);
    let inside = bound([Addr(start.0 + 4096), Addr(start.0 + (4 << 20))]).unwrap();
    assert_eq!(
        inside.title,
        "app (4242) touched 4.0 MiB on node 0 before mbind(2) by thread app (4242), which moved \
         none of them, and they were used from node 1"
    );
    assert_eq!(bound([Addr(start.0), Addr(start.0 + 8192)]), None, "little");
    assert_eq!(bound([end, Addr(end.0 + (4 << 20))]), None);
}

#[test]
fn a_policy_that_another_thread_asked_for_too_late_names_that_thread() {
    let bound = |time_ns, what, accesses| {
        let mut mapping = region();
        mapping.page_migrations = None;
        mapping.hint_faults = Some(HintFaults {
            matrix: Some(matrix(accesses)),
            migrated: Some(0),
        });
        let range = Some([mapping.start, mapping.end]);
        let mut snapshot = with(vec![mapping]);
        snapshot.processes[0].threads[1].binds = vec![Bind {
            what,
            time_ns,
            after_ns: 1_500_000_000,
            range,
        }];
        snapshot
    };
    let from_node_1 = [[0, 0], [8_000, 100]];
    let late = bound(6_000, BindWhat::RangePolicy, from_node_1);
    let finding = found(&late, "touched-before-bind").unwrap();
    assert_eq!(
        finding.title,
        "app (4242) touched 64.0 MiB on node 0 before mbind(2) by thread worker (4243), which \
         moved none of them, and they are used from node 1"
    );
    assert!(
        finding.evidence[0].starts_with("thread worker (4243) called mbind(2) 1.50 s after"),
        "{finding:#?}"
    );
    assert!(finding.fix.contains("MPOL_MF_MOVE"), "{finding:#?}");
    assert_eq!(found(&late, "first-touch-elsewhere"), None, "one cause");

    for (snapshot, why) in [
        (
            bound(4_000, BindWhat::RangePolicy, from_node_1),
            "before the touch",
        ),
        (
            bound(6_000, BindWhat::RangePolicy, [[8_000, 0], [100, 0]]),
            "used at home",
        ),
        (
            bound(6_000, BindWhat::Affinity, from_node_1),
            "CPUs of a thread that touched nothing",
        ),
    ] {
        assert_eq!(found(&snapshot, "touched-before-bind"), None, "{why}");
    }
    // Without samples the CPU time of the process says where it is used.
    let unsampled = bound(6_000, BindWhat::RangePolicy, [[0, 0], [0, 0]]);
    let finding = found(&unsampled, "touched-before-bind").unwrap();
    assert_eq!(
        finding.evidence.last().unwrap(),
        "no sampled accesses: the process ran 70.0 % of its CPU time on node 1"
    );
}
