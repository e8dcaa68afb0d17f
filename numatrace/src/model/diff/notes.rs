//! Differences between two sessions that the program did not cause.

use std::collections::BTreeMap;

use crate::ids::ranges;
use crate::model::{HookState, Snapshot, Verdict, number};

/// Sessions whose lengths differ by more than this factor cover different phases of a program.
const LENGTHS: f64 = 1.5;

/// Returns one sentence per difference, the most important first.
pub fn notes(old: &Snapshot, new: &Snapshot) -> Vec<String> {
    let mut notes = Vec::new();
    for (which, snapshot) in [("first", old), ("second", new)] {
        if snapshot.audit.verdict == Verdict::Failed {
            notes.push(format!(
                "the audit of the {which} report failed: do not trust its counts"
            ));
        }
        if let Some(lost) = snapshot.coverage.records_lost.filter(|lost| *lost > 0) {
            notes.push(format!(
                "the {which} session lost {} records: its details are incomplete, its totals are not",
                number::grouped(lost)
            ));
        }
    }
    notes.extend(hooks(old, new));
    if nodes(old) != nodes(new) {
        notes.push(format!(
            "the machines have different nodes, {} and {}: only nodes of both are compared",
            nodes(old),
            nodes(new)
        ));
    }
    let differ = |what: &str, old: &str, new: &str| {
        (old != new).then(|| format!("{what} differs: {old} and {new}"))
    };
    notes.extend(differ("the kernel", &old.host.kernel, &new.host.kernel));
    notes.extend(differ("the architecture", &old.host.arch, &new.host.arch));
    let balancing = |snapshot: &Snapshot| {
        let setting = snapshot.host.numa_balancing;
        setting.map_or_else(|| "none".to_owned(), |setting| setting.to_string())
    };
    notes.extend(differ(
        "kernel.numa_balancing, without which there are no sampled accesses,",
        &balancing(old),
        &balancing(new),
    ));
    let (a, b) = (old.session.duration_s, new.session.duration_s);
    if a.max(b) > LENGTHS * a.min(b) {
        notes.push(format!(
            "the sessions differ in length, {} and {}: counts are compared per second",
            number::duration(a),
            number::duration(b)
        ));
    }
    if old.session.scope.is_whole_system() != new.session.scope.is_whole_system() {
        notes.push(
            "one session covered the whole system, the other some processes: \
             the latter counts all others as [out of scope]"
                .to_owned(),
        );
    }
    notes
}

fn nodes(snapshot: &Snapshot) -> String {
    let mut nodes: Vec<u32> = snapshot
        .host
        .nodes
        .iter()
        .map(|node| u32::from(node.node.0))
        .collect();
    nodes.sort_unstable();
    ranges(nodes)
}

/// Returns a sentence for each hook whose state differs.
fn hooks(old: &Snapshot, new: &Snapshot) -> Vec<String> {
    let states = |snapshot: &Snapshot| -> BTreeMap<String, HookState> {
        let hooks = snapshot.hooks.iter();
        hooks.map(|hook| (hook.hook.clone(), hook.state)).collect()
    };
    let (old, new) = (states(old), states(new));
    let word = |state: HookState| match state {
        HookState::Attached => "attached",
        HookState::Fallback => "reduced",
        HookState::Absent => "not attached",
    };
    old.iter()
        .filter_map(|(hook, was)| {
            let is = new.get(hook).copied().unwrap_or(HookState::Absent);
            (*was != is).then(|| {
                format!(
                    "the hook {hook} was {} in the first session and {} in the second",
                    word(*was),
                    word(is)
                )
            })
        })
        .collect()
}
