//! The coverage section of the report: what was lost, skipped or could not be attributed.

use std::collections::{BTreeMap, BTreeSet};

use numatrace_common::kind::Kind;

use crate::{
    capture::losses::Losses,
    enrich::Charged,
    fold::counted::Counted,
    ids::NodeId,
    model::{Coverage, Stack},
    reader,
};

/// Returns the records for which the ring buffer had no room, by kind.
pub fn lost_by_kind(losses: &Losses) -> BTreeMap<String, u64> {
    let kinds = Kind::ALL.into_iter().zip(losses.records_lost);
    not_zero(kinds.map(|(kind, lost)| (kind.name(), lost)))
}

/// Returns the coverage of a session. `nodes` are in the report's order.
pub fn coverage(counted: &Counted, nodes: &[NodeId]) -> Coverage {
    let losses = &counted.losses;
    let unattributed = unattributed(counted, nodes);
    Coverage {
        records: Some(losses.records),
        records_lost: Some(losses.records_lost.iter().sum()),
        recursion_misses: counted.recursion_misses,
        rejected: Some(counted.rejected),
        unattributed: Some(unattributed.iter().map(|(_, pages)| pages).sum()),
        mapping_records_lost: None,
        lost_by_kind: lost_by_kind(losses),
        unattributed_by_reason: not_zero(unattributed),
        full_tables: not_zero([
            ("totals", losses.overflowed),
            ("scope", losses.scope_lost),
            ("movers", losses.movers_lost),
            ("parked faults", losses.faults_unparked),
            ("parked marks", losses.marks_lost),
            ("balancer times", losses.balancer_untimed),
            ("reclaim times", losses.reclaims_untimed),
            ("failures", counted.failures.no_room),
        ]),
        caught_by_twin: losses.caught_by_twin,
        unlisted_moves: counted.timeline.dropped,
        uncertain: uncertain(counted),
        not_in_numastat: not_zero([("captured by compaction", losses.captured)]),
        unnamed_files: BTreeMap::new(),
        folded: None,
        incomplete: None,
    }
}

/// Returns the files that stacks have no names from because of what is in them, by reason.
///
/// Frames have the reason, so that the report of a recording says the same as that of its session.
pub fn unnamed_files(stacks: &[Stack]) -> BTreeMap<String, u64> {
    let frames = stacks.iter().flat_map(|stack| &stack.frames);
    let files: BTreeSet<_> = frames
        .filter_map(|frame| {
            let why = reader::of_file(frame.reason.as_deref()?)?;
            Some((why, &frame.module, &frame.build_id))
        })
        .collect();
    let mut counts = BTreeMap::new();
    for (why, ..) in files {
        *counts.entry(why.to_owned()).or_default() += 1;
    }
    counts
}

/// Returns what may be wrong by a few, by what it is.
fn uncertain(counted: &Counted) -> BTreeMap<String, u64> {
    let losses = &counted.losses;
    let mut counts = not_zero([
        (
            "first touches of interrupted faults",
            losses.faults_interrupted,
        ),
        (
            "interleave hits taken for granted",
            losses.interleave_guessed,
        ),
        (
            "bulk arrays too long to look through",
            losses.bulk_unscanned,
        ),
        (
            "first touches taken back too late for their mapping",
            losses.withdrawn_late,
        ),
    ]);
    let skipped = counted.other_misses.iter();
    counts.extend(
        skipped.map(|(hook, runs)| (format!("runs of {hook} that the kernel skipped"), *runs)),
    );
    counts
}

/// Returns the pages of allocations whose owner or node is not in the report, by reason.
fn unattributed(counted: &Counted, nodes: &[NodeId]) -> [(&'static str, u64); 3] {
    let (mut table_full, mut unlisted) = (0u64, 0u64);
    for (charged, count_key, tally) in counted.inside.allocs() {
        if !nodes.contains(&count_key.page_node) {
            unlisted = unlisted.saturating_add(tally.amount);
        }
        if charged == Charged::Overflow {
            table_full = table_full.saturating_add(tally.amount);
        }
    }
    [
        ("table full", table_full),
        ("node not in sysfs", unlisted),
        ("mapping of a folded process", counted.mappings.folded),
    ]
}

/// Returns counts by name, without those that are zero.
fn not_zero<N: Into<String>>(counts: impl IntoIterator<Item = (N, u64)>) -> BTreeMap<String, u64> {
    counts
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| (name.into(), count))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Frame, Name},
        reader::{Lost, UNREADABLE},
    };

    #[test]
    fn a_file_counts_once_and_one_without_symbols_does_not() {
        let frame = |module: &str, reason: &str| Frame {
            module: Some(Name::from(module)),
            reason: Some(reason.to_owned()),
            ..Frame::default()
        };
        let stacks = [Stack {
            id: 0,
            frames: vec![
                frame("bad.so", Lost::Memory.in_words()),
                frame("bad.so", Lost::Memory.in_words()),
                frame("worse.so", &format!("{UNREADABLE}: gone")),
                frame("worst.so", &format!("{UNREADABLE}: all of it")),
                frame(
                    "stripped.so",
                    "symbolization source has no or no relevant symbols",
                ),
                Frame::default(),
            ],
            short: None,
        }];
        let expected = [(Lost::Memory.in_words(), 1), (UNREADABLE, 2)];
        let expected = expected.map(|(why, files)| (why.to_owned(), files));
        assert_eq!(unnamed_files(&stacks), expected.into());
    }
}
