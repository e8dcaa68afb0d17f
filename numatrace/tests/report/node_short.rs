//! Nodes that could not give a page: full, in pieces, closed, out of kernel memory; and policies by
//! their meaning, in pages.

use numatrace::model::finding::diagnose;
use numatrace::model::{Finding, PerNode, PolicyMode, Severity, Shortage, Snapshot};

use crate::fixture;

fn found(snapshot: &Snapshot, id: &str) -> Option<Finding> {
    diagnose(snapshot)
        .into_iter()
        .find(|finding| finding.id == id)
}

/// Returns a session in which `missed` of `wanted` huge pages for node 0 came from node 1.
fn huge(wanted: u64, missed: u64, looks: Vec<Shortage>) -> Snapshot {
    let mut snapshot = fixture::quiet(2);
    let mut alloc = fixture::spilled(wanted - missed, missed);
    let pages = alloc.in_pages.as_mut().unwrap();
    for (of, by) in [(&mut pages.wanted, 512), (&mut pages.foreign, 512)] {
        of.0[0] *= by;
    }
    pages.huge_wanted = PerNode(vec![wanted, 0]);
    pages.huge_foreign = PerNode(vec![missed, 0]);
    pages.remote_by_cause.fallback *= 512;
    alloc.pages = Some(PerNode(vec![(wanted - missed) * 512, missed * 512]));
    snapshot.processes = vec![fixture::program(911, "spill", alloc)];
    snapshot.shortages = Some(looks);
    fixture::audited(snapshot, 0)
}

fn in_pieces() -> Shortage {
    Shortage {
        block_kb: 2048,
        full: 0,
        fragmented: 3,
        least_free_kb: 190 << 10,
        most_free_kb: 200 << 10,
        ..fixture::looks()
    }
}

#[test]
fn huge_pages_that_went_elsewhere_from_a_node_in_pieces_are_a_finding() {
    let finding = found(&huge(70, 64, vec![in_pieces()]), "node-full-fallback").unwrap();
    assert_eq!(
        finding.title,
        "node 0 had 200.0 MiB free but no 2 MiB block: 64 of 70 huge pages went to node 1"
    );
    assert!(
        finding
            .fix
            .contains("echo 1 > /sys/devices/system/node/node0/compact"),
        "{finding:#?}"
    );
    assert!(
        finding
            .fix
            .contains("echo defer > /sys/kernel/mm/transparent_hugepage/defrag"),
        "{finding:#?}"
    );
    assert!(!finding.fix.contains("numactl"), "{finding:#?}");
    let amount = "these were 128.0 of 140.0 MiB (91.4 %)";
    assert!(
        finding.evidence.iter().any(|line| line == amount),
        "{finding:#?}"
    );
    // 23 huge pages are 46 MiB, though only 23 allocations.
    assert!(found(&huge(23, 23, vec![in_pieces()]), "node-full-fallback").is_some());
    // One huge page in a thousand is the ordinary breathing of a node.
    assert!(found(&huge(1_000, 1, vec![in_pieces()]), "node-full-fallback").is_none());
}

#[test]
fn a_node_that_nobody_looked_at_is_not_called_full() {
    let finding = found(&huge(70, 64, Vec::new()), "node-full-fallback").unwrap();
    assert_eq!(
        finding.title,
        "node 0 could not give what was wanted: 64 of 70 huge pages went to node 1"
    );
    assert!(
        !finding.evidence.iter().any(|line| line.contains("look")),
        "{finding:#?}"
    );
}

#[test]
fn a_node_that_cpusets_leave_out_is_no_harm() {
    let closed = Shortage {
        full: 0,
        closed: 3,
        ..fixture::looks()
    };
    let mut snapshot = fixture::quiet(2);
    snapshot.processes = vec![fixture::program(911, "spill", fixture::spilled(0, 3_000))];
    snapshot.shortages = Some(vec![closed]);
    let finding = found(&fixture::audited(snapshot, 0), "node-full-fallback").unwrap();
    assert_eq!(finding.severity, Severity::Info);
    assert!(
        finding.title.contains("left out by the cpusets"),
        "{finding:#?}"
    );
}

#[test]
fn kernel_memory_can_be_used_up_while_movable_memory_is_free() {
    let of_kernel = |node_free_kb| Shortage {
        movable: false,
        node_free_kb,
        ..fixture::looks()
    };
    for (node_free_kb, says) in [
        (
            Some(300 << 10),
            "node 0 had no memory left for the kernel's own use",
        ),
        (Some(13 << 10), "node 0 was full"),
        (None, "node 0 was full"),
    ] {
        let mut snapshot = fixture::quiet(2);
        snapshot.processes = vec![fixture::program(911, "spill", fixture::spilled(700, 3_000))];
        snapshot.shortages = Some(vec![of_kernel(node_free_kb)]);
        let finding = found(&fixture::audited(snapshot, 0), "node-full-fallback").unwrap();
        assert!(finding.title.starts_with(says), "{finding:#?}");
    }
}

/// Returns a session in which a policy placed half of a program's pages on node 1.
fn by_policy(modes: &[(PolicyMode, u64)], several: u64) -> Snapshot {
    let mut snapshot = fixture::quiet(2);
    let mut alloc = fixture::alloc(&[9_000, 0], &[0, 9_000], |causes| &mut causes.policy);
    alloc.policy_by_mode = Some(modes.iter().copied().collect());
    alloc.bind_to_several = Some(several);
    snapshot.processes = vec![fixture::program(4242, "app", alloc)];
    fixture::audited(snapshot, 0)
}

#[test]
fn policies_with_several_nodes_are_information_and_those_with_one_a_warning() {
    use PolicyMode::{Bind, Interleave, Preferred, PreferredMany, WeightedInterleave};
    for (modes, several, severity, says) in [
        (
            &[(WeightedInterleave, 9_000)][..],
            0,
            Severity::Info,
            "on purpose",
        ),
        (&[(Interleave, 9_000)], 0, Severity::Info, "on purpose"),
        (
            &[(PreferredMany, 9_000)],
            0,
            Severity::Info,
            "several nodes",
        ),
        (&[(Bind, 9_000)], 9_000, Severity::Info, "several nodes"),
        (
            &[(Bind, 9_000)],
            100,
            Severity::Warning,
            "places memory on node 1",
        ),
        (
            &[(Preferred, 9_000)],
            0,
            Severity::Warning,
            "places memory on node 1",
        ),
        (
            &[(Bind, 5_000), (PreferredMany, 4_000)],
            0,
            Severity::Warning,
            "places memory",
        ),
    ] {
        let finding = found(&by_policy(modes, several), "remote-by-policy").unwrap();
        assert_eq!(finding.severity, severity, "{finding:#?}");
        assert!(finding.title.contains(says), "{finding:#?}");
    }
}

#[test]
fn what_a_policy_means_stays_information_when_the_process_is_away_from_it() {
    let mut snapshot = by_policy(&[(PolicyMode::PreferredMany, 9_000)], 0);
    let away = (&[4_000_000_000, 0][..], &[0, 16_384][..]);
    fixture::resident(&mut snapshot.processes[0], away.0, away.1, away.1);
    let ids: Vec<(String, Severity)> = diagnose(&snapshot)
        .into_iter()
        .map(|finding| (finding.id, finding.severity))
        .collect();
    assert_eq!(ids, [("remote-by-policy".to_owned(), Severity::Info)]);
    // Memory under a policy with one node is not meant.
    let mut one = by_policy(&[(PolicyMode::Bind, 9_000)], 0);
    fixture::resident(&mut one.processes[0], away.0, away.1, away.1);
    assert!(found(&one, "remote-by-policy").unwrap().severity < Severity::Info);
}

#[test]
fn thirty_two_huge_pages_of_the_other_node_are_64_mib() {
    let mut snapshot = fixture::quiet(2);
    let mut alloc = fixture::alloc(&[900, 0], &[0, 32], |causes| &mut causes.policy);
    let pages = alloc.in_pages.as_mut().unwrap();
    pages.remote_by_cause.policy = 32 * 512;
    pages.wanted = PerNode(vec![900, 32 * 512]);
    alloc.pages = Some(PerNode(vec![900, 32 * 512]));
    snapshot.processes = vec![fixture::program(77, "dd", alloc)];
    let finding = found(&fixture::audited(snapshot, 0), "remote-by-policy").unwrap();
    let amount = "these were 64.0 of its 67.5 MiB";
    assert!(
        finding.evidence.iter().any(|line| line == amount),
        "{finding:#?}"
    );
}

#[test]
fn a_few_huge_pages_of_other_nodes_are_no_noise() {
    let session = |far: u64| {
        let mut snapshot = fixture::well_placed();
        let alloc = snapshot.processes[0].alloc.as_mut().unwrap();
        alloc.in_pages.as_mut().unwrap().remote_by_cause.unknown = far;
        found(&snapshot, "numa-is-not-your-problem")
    };
    assert!(session(0).is_some());
    let all = fixture::well_placed()
        .alloc_total()
        .unwrap()
        .page_total()
        .unwrap();
    assert!(session(all / 10).is_none());
}
