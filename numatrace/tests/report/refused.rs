//! `binding-refused`, and what a seccomp filter hides from it.

use numatrace::ids::{NodeId, Pid};
use numatrace::model::Snapshot;
use numatrace::model::failure::{Failures, PolicyCall, Refused};
use numatrace::output::text::{TextOptions, render};

use crate::fixture;
use crate::fixture::memory::found;

/// The launched program with one refused call, and what is known of its seccomp filter.
fn refused(seccomp: Option<bool>) -> Snapshot {
    let mut snapshot = fixture::launched();
    let failures = Failures {
        refused: Some(vec![Refused {
            pid: Pid(4242),
            call: Some(PolicyCall::Mbind),
            errno: "EINVAL".into(),
            why: None,
            count: 3,
            at_ns: 5,
            address: None,
            nodes: vec![NodeId(1)],
            cpus: None,
            stack: None,
        }]),
        ..Failures::default()
    };
    let process = &mut snapshot.processes[0];
    process.failures = Some(failures.clone());
    process.seccomp = seccomp;
    snapshot.failures = Some(failures);
    snapshot
}

#[test]
fn calls_that_a_seccomp_filter_may_have_refused_are_named_as_a_gap() {
    let last = |seccomp| {
        let finding = found(&refused(seccomp), "binding-refused").unwrap();
        finding.evidence.last().unwrap().clone()
    };
    assert!(last(Some(true)).starts_with("a seccomp filter checks its calls"));
    for without in [None, Some(false)] {
        assert!(last(without).starts_with("mbind was refused 3 times: EINVAL"));
    }
    let text = |seccomp| render(&refused(seccomp), &TextOptions::default());
    let gap = "A seccomp filter checks the calls of app (4242): those that it refuses are seen \
               with \
         --hooks +policy_seccomp only.";
    assert!(text(Some(true)).contains(gap));
    assert!(!text(Some(false)).contains("seccomp"));
}
