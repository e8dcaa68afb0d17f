//! Findings: each appears in its case and only there, and its fix is possible.

use numatrace::ids::Pid;
use numatrace::model::finding::diagnose;
use numatrace::model::{Finding, Severity, Snapshot, Verdict};

use crate::fixture;

pub fn ids(snapshot: &Snapshot) -> Vec<String> {
    diagnose(snapshot)
        .into_iter()
        .map(|finding| finding.id)
        .collect()
}

fn only(snapshot: &Snapshot) -> Finding {
    let mut findings = diagnose(snapshot);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0)
}

#[test]
fn a_policy_away_from_its_cpus_is_a_warning_with_both_fixes() {
    let findings = diagnose(&fixture::two_nodes());
    let finding = findings
        .iter()
        .find(|finding| finding.id == "remote-by-policy")
        .unwrap();
    assert_eq!(
        (finding.severity, finding.pid),
        (Severity::Warning, Some(Pid(4242)))
    );
    assert!(
        finding.evidence[0].contains("51,000 of its 215,200 allocations (23.7 %)"),
        "{finding:#?}"
    );
    assert!(
        finding
            .fix
            .contains("numactl --cpunodebind=1 --membind=1 /usr/bin/app"),
        "{finding:#?}"
    );
    assert!(
        finding.fix.contains("migratepages 4242 1 0"),
        "{finding:#?}"
    );
}

#[test]
fn interleaving_is_remote_on_purpose_and_only_information() {
    let finding = only(&fixture::interleaved());
    assert_eq!(
        (finding.id.as_str(), finding.severity),
        ("remote-by-policy", Severity::Info)
    );
    assert!(finding.title.contains("on purpose"), "{finding:#?}");
}

#[test]
fn a_small_share_by_policy_is_no_finding() {
    let mut snapshot = fixture::quiet(2);
    let detail = fixture::alloc(&[100_000, 0], &[0, 1_000], |causes| &mut causes.policy);
    snapshot.processes = vec![fixture::program(1, "app", detail)];
    assert!(!ids(&snapshot).contains(&"remote-by-policy".to_owned()));
}

#[test]
fn a_full_node_is_named_with_the_processes_that_asked_for_it() {
    let mut snapshot = fixture::quiet(2);
    snapshot.processes = vec![fixture::program(911, "spill", fixture::spilled(700, 3_000))];
    snapshot.shortages = Some(vec![fixture::looks()]);
    let finding = only(&fixture::audited(snapshot, 0));
    assert_eq!(finding.id, "node-full-fallback");
    assert_eq!(
        (finding.severity, finding.pid),
        (Severity::Critical, Some(Pid(911)))
    );
    assert_eq!(
        finding.evidence,
        [
            "3,000 of 3,700 requests for node 0 (81.1 %) were served by other nodes (numa_foreign)",
            "these were 11.7 of 14.5 MiB (81.1 %)",
            "served: 3,000 by node 1 (numa_miss)",
            "3 looks at its zone at such moments: 3 with hardly more than it keeps back; 10.0 MiB \
             to 12.0 MiB were free there",
            "requested: 3,000 by spill (911)",
        ]
    );
    assert!(
        finding.fix.contains("numactl --cpunodebind=1 /usr/bin/app"),
        "{finding:#?}"
    );
}

#[test]
fn a_node_with_a_few_misses_is_not_full() {
    for (missed, wanted) in [(255, 700), (300, 40_000)] {
        let mut snapshot = fixture::quiet(2);
        let spilled = fixture::spilled(wanted, missed);
        snapshot.processes = vec![fixture::program(911, "spill", spilled)];
        let found = ids(&fixture::audited(snapshot, 0));
        assert!(
            !found.contains(&"node-full-fallback".to_owned()),
            "{found:?}"
        );
    }
}

#[test]
fn cpus_without_memory_are_named_with_their_nearest() {
    let finding = only(&fixture::memoryless());
    assert_eq!(
        (finding.id.as_str(), finding.severity),
        ("memoryless-node", Severity::Warning)
    );
    assert_eq!(
        finding.evidence,
        [
            "node 1 has 2 CPUs and no memory",
            "nearest memory of node 1: node 0",
            "6,000 allocations were remote because of that",
        ]
    );
    assert!(
        finding.fix.contains("numactl --cpunodebind=0 COMMAND"),
        "{finding:#?}"
    );
}

#[test]
fn a_session_about_a_program_warns_only_when_that_one_lacks_memory() {
    let mut snapshot = fixture::memoryless();
    snapshot.session.scope.launched = vec!["app".into(), "-x".into()];
    let finding = only(&snapshot);
    assert_eq!(finding.severity, Severity::Warning);
    assert_eq!(
        finding.evidence.last().unwrap(),
        "6,000 allocations of app (4242) were remote because of that"
    );
    assert_eq!(
        finding.fixes[0].commands,
        ["numactl --cpunodebind=0 app -x"]
    );

    let elsewhere = snapshot.processes[0].clone();
    let alloc = snapshot.processes[0].alloc.as_mut().unwrap();
    *alloc = fixture::alloc(&[10_000, 0], &[0, 0], |causes| &mut causes.memoryless);
    let mut machine = elsewhere;
    machine.pid = Pid(2);
    machine.kind = numatrace::model::ProcessKind::Kthread;
    snapshot.processes.push(machine);
    let findings = diagnose(&snapshot);
    let finding = findings
        .iter()
        .find(|finding| finding.id == "memoryless-node");
    let finding = finding.unwrap();
    assert_eq!(finding.severity, Severity::Info, "{finding:#?}");
    assert_eq!(
        finding.evidence.last().unwrap(),
        "0 allocations of app (4242) were remote because of that"
    );
}

#[test]
fn one_node_is_the_only_finding() {
    let finding = only(&fixture::one_node());
    assert_eq!(
        (finding.id.as_str(), finding.severity),
        ("one-node", Severity::Info)
    );
}

#[test]
fn all_is_well_names_the_quantities_that_were_not_measured() {
    let finding = only(&fixture::well_placed());
    assert_eq!(finding.id, "numa-is-not-your-problem");
    assert_eq!(
        finding.evidence.last().unwrap(),
        "not measured: first touch, hint faults, moves between nodes"
    );
}

#[test]
fn all_is_well_is_not_found_for_a_quiet_a_remote_or_a_doubtful_session() {
    assert_eq!(
        ids(&fixture::quiet(2)),
        Vec::<String>::new(),
        "nothing was measured"
    );

    let mut quiet = fixture::quiet(2);
    quiet.processes = vec![fixture::program(
        1,
        "app",
        fixture::alloc(&[900, 0], &[0, 0], |c| &mut c.unknown),
    )];
    assert_eq!(
        ids(&quiet),
        Vec::<String>::new(),
        "too little was allocated"
    );

    let mut remote = fixture::quiet(2);
    let a_tenth = fixture::alloc(&[90_000, 0], &[0, 10_000], |causes| &mut causes.task_moved);
    remote.processes = vec![fixture::program(1, "app", a_tenth)];
    assert_eq!(ids(&remote), Vec::<String>::new(), "a tenth was remote");

    let mut doubtful = fixture::well_placed();
    doubtful.audit.verdict = Verdict::Failed;
    assert_eq!(ids(&doubtful), Vec::<String>::new(), "the audit failed");
}

#[test]
fn remote_use_of_local_memory_is_not_well() {
    let mut snapshot = fixture::launched();
    let process = snapshot.processes.first_mut().unwrap();
    process.alloc = Some(fixture::alloc(&[16_500, 0], &[0, 0], |causes| {
        &mut causes.unknown
    }));
    assert!(
        !ids(&snapshot).contains(&"numa-is-not-your-problem".to_owned()),
        "8,100 of 8,100 hint faults are remote"
    );
}

#[test]
fn every_finding_has_evidence_and_a_fix_and_the_worst_comes_first() {
    for (name, snapshot) in fixture::all() {
        assert!(
            snapshot
                .findings
                .is_sorted_by_key(|finding| finding.severity),
            "{name}"
        );
        for finding in &snapshot.findings {
            assert!(
                !finding.evidence.is_empty() && !finding.fix.is_empty(),
                "{name}: {finding:#?}"
            );
        }
    }
}

#[test]
fn a_name_that_a_shell_would_run_is_quoted() {
    let mut snapshot = fixture::two_nodes();
    let process = snapshot.processes.first_mut().unwrap();
    process.exe = Some("/tmp/$(reboot)".into());
    process.comm = "`reboot`".into();
    let findings = diagnose(&snapshot);
    let finding = findings
        .iter()
        .find(|finding| finding.id == "remote-by-policy")
        .unwrap();
    assert!(
        finding
            .fix
            .contains("--membind=1 '/tmp/$(reboot)' ARGUMENTS…"),
        "{finding:#?}"
    );
}

#[test]
fn a_fix_puts_no_numactl_around_the_numactl_that_was_launched() {
    let mut snapshot = fixture::two_nodes();
    let launched = ["/usr/bin/numactl", "--membind=0", "/usr/bin/app"];
    snapshot.session.scope.launched = launched.map(Into::into).to_vec();
    let findings = diagnose(&snapshot);
    assert!(!findings.is_empty());
    let fixes = findings.iter().flat_map(|finding| finding.fix.split(';'));
    for fix in fixes {
        assert!(fix.matches("numactl").count() < 2, "{fix}");
    }
}
