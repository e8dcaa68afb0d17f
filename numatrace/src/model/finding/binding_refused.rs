//! `binding-refused`: a program asked for memory or CPUs to be placed, and the kernel refused.
//! Programs seldom look at that result, so memory and threads are where they would be without.

use super::fix::Fix;
use super::{Diagnosis, Finding, NAMED, Severity, words};
use crate::model::{
    HookState, Process, ProcessKind, Snapshot,
    failure::{Refused, sentence},
    number,
};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "binding-refused",
    check,
};

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let programs = snapshot.processes.iter();
    let programs = programs.filter(|process| process.kind == ProcessKind::User);
    let mut refused: Vec<(&Process, &[Refused])> = programs
        .filter_map(|process| {
            let refused = process.failures.as_ref()?.refused.as_deref()?;
            (!refused.is_empty()).then_some((process, refused))
        })
        .collect();
    let count = |refused: &[Refused]| refused.iter().map(|call| call.count).sum::<u64>();
    refused.sort_by_key(|(process, refused)| (u64::MAX - count(refused), process.pid));
    let refused = refused.into_iter().take(NAMED);
    refused
        .filter_map(|(process, refused)| finding(snapshot, process, refused))
        .collect()
}

fn finding(snapshot: &Snapshot, process: &Process, refused: &[Refused]) -> Option<Finding> {
    let first = refused.first()?;
    // Calls from different places are told apart below; they are one mistake.
    let same = |call: &&Refused| {
        (call.call, &call.errno, &call.why) == (first.call, &first.errno, &first.why)
    };
    let count = refused.iter().filter(same).map(|call| call.count).sum();
    let together = Refused {
        count,
        ..first.clone()
    };
    let more = match refused.iter().filter(|call| !same(call)).count() {
        0 => String::new(),
        1 => "; one more call was".to_owned(),
        more => format!("; {more} more calls were"),
    };
    let evidence = refused.iter().take(NAMED).map(|call| {
        let arguments = sentence::arguments(call);
        let arguments = arguments.map_or_else(String::new, |text| format!("; {text}"));
        format!(
            "{}{arguments}; the first {}",
            sentence::refused(snapshot, call),
            sentence::moment(snapshot, call.at_ns)
        )
    });
    let rest = refused.get(NAMED..).unwrap_or_default();
    let rest = (!rest.is_empty()).then(|| {
        let calls = rest.iter().map(|call| call.count).sum::<u64>();
        number::plural(calls, "more refused call")
    });
    // Calls that a filter refuses may be more, and these are what there is to see.
    let unseen = process.seccomp == Some(true) && !sees_filters(snapshot);
    let filter = unseen.then(|| {
        "a seccomp filter checks its calls: those that the filter refuses do not reach the \
         kernel's functions and are not among these; --hooks +policy_seccomp shows them"
            .to_owned()
    });
    Some(Finding::new(
        DIAGNOSIS.id,
        Severity::Warning,
        Some(process.pid),
        format!(
            "{}: {}{more}",
            words::process(process),
            sentence::refused(snapshot, &together)
        ),
        evidence.chain(rest).chain(filter).collect(),
        [
            Fix::program(
                process,
                format!(
                    "look at the result of {} in the program: what it was to place is placed by \
                     default",
                    sentence::call(first)
                ),
            ),
            Fix::look(
                words::process(process),
                "nodes that there are and that the process may use",
                &topology(process),
            ),
        ],
    ))
}

/// Returns the command that shows what a process may use, while there is such a process.
fn topology(process: &Process) -> String {
    match process.ended {
        Some(false) => format!("numatrace topology -p {}", process.pid),
        _ => "numatrace topology".to_owned(),
    }
}

/// Returns whether calls that a seccomp filter refuses were traced, which is on request only.
pub(crate) fn sees_filters(snapshot: &Snapshot) -> bool {
    let mut hooks = snapshot.hooks.iter();
    hooks.any(|hook| hook.hook == "policy_seccomp" && hook.state == HookState::Attached)
}

/// Returns a process of a session about some processes whose filter may have refused calls unseen.
pub fn filtered(snapshot: &Snapshot) -> Option<&Process> {
    let seen = snapshot.session.scope.is_whole_system() || sees_filters(snapshot);
    let mut processes = snapshot.processes.iter();
    processes.find(|process| !seen && process.seccomp == Some(true))
}
