//! Findings about huge pages that a pool did not give.

use numatrace::ids::{NodeId, Pid};
use numatrace::model::failure::{Failures, HugetlbFailed, Pool, Request};
use numatrace::model::finding::{Finding, diagnose};
use numatrace::model::{PolicyMode, Snapshot};

use crate::fixture;

/// Returns a session in which a fault of a program that is bound to node 1 got no huge page. `free`
/// are the free pages of the pools.
fn failed(free: [u64; 2], late: bool) -> Snapshot {
    let mut snapshot = fixture::settled();
    let app = &mut snapshot.processes[0];
    fixture::resident(app, &[1, 0], &[1, 0], &[1, 0]);
    let pool = |node| Pool {
        node: NodeId(node),
        total: 12,
        free: free[usize::from(node)],
    };
    app.cgroup = Some("/pod".into());
    app.failures = Some(Failures {
        hugetlb: Some(vec![HugetlbFailed {
            mapping_pages: None,
            pid: Pid(4242),
            request: Some(Request::Fault),
            errno: "ENOSPC".to_owned(),
            page_kb: 2048,
            policy: Some(PolicyMode::Bind),
            nodes: vec![NodeId(1)],
            cpu_node: NodeId(0),
            count: 1,
            pages: 1,
            at_ns: fixture::placed::BEGAN_NS + 250_000_000,
            address: None,
            pools: vec![pool(0), pool(1)],
            pools_read_late: late,
            stack: None,
        }]),
        ..Failures::default()
    });
    snapshot
}

fn finding(snapshot: &Snapshot) -> Finding {
    let mut findings = diagnose(snapshot).into_iter();
    findings
        .find(|finding| finding.id == "hugetlb-pool-empty")
        .unwrap()
}

#[test]
fn an_empty_pool_is_told_with_the_free_pages_of_the_other_and_the_moment() {
    let finding = finding(&failed([5, 0], false));
    assert_eq!(
        finding.title,
        "2 MiB pool of node 1 was empty: 1 fault of app (4242) failed (SIGBUS); node 0 had 5 free"
    );
    let evidence = finding.evidence.join("; ");
    assert!(
        evidence.contains("the first 250.0 ms after the session began"),
        "{evidence}"
    );
    assert!(
        evidence.contains("free at that moment: node 0 5 of 12, node 1 0 of 12"),
        "{evidence}"
    );
    assert!(
        finding.fix.contains("give the pool more pages"),
        "{}",
        finding.fix
    );
}

#[test]
fn a_pool_with_free_pages_was_not_empty_and_more_pages_are_no_fix() {
    let finding = finding(&failed([5, 3], false));
    assert_eq!(
        finding.title,
        "2 MiB pool of node 1 had 3 free, but 1 fault of app (4242) failed (SIGBUS)"
    );
    assert!(
        !finding.evidence.join("; ").contains("empty"),
        "{:?}",
        finding.evidence
    );
    assert!(
        finding.fix.contains("hugetlb.2MB.max of its cgroup (/pod)"),
        "{}",
        finding.fix
    );
    assert!(!finding.fix.contains("more pages"), "{}", finding.fix);
}

#[test]
fn pages_that_came_back_after_the_kill_do_not_fill_the_pool_in_hindsight() {
    let finding = finding(&failed([5, 3], true));
    assert!(
        finding.title.contains("pool of node 1 was empty"),
        "{}",
        finding.title
    );
    let evidence = finding.evidence.join("; ");
    assert!(
        evidence.contains("free when that was looked up"),
        "{evidence}"
    );
}
