//! Comparisons of two reports: a fixed first-touch bug, in text and JSON.

use numatrace::limits::expr::Expr;
use numatrace::limits::fail_if::{DiffNames, DiffValues};
use numatrace::model::diff::{Diff, MatchedBy, Verdict};
use numatrace::model::{Snapshot, Verdict as Audit};
use numatrace::output::text::TextOptions;
use numatrace::output::{diff::render, escape, json};
use proptest::prelude::*;
use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

use crate::{before_after, fixture};

const SCHEMA: &str = include_str!("../../../docs/diff.schema.json");

fn compare(before: &Snapshot, after: &Snapshot) -> Diff {
    Diff::of(
        (&"before.json".into(), before),
        (&"after.json".into(), after),
    )
}

fn mended() -> Diff {
    compare(&before_after::bug(), &before_after::mended())
}

fn terminal() -> TextOptions {
    TextOptions {
        width: Some(100),
        rows: Some(10),
        ..TextOptions::default()
    }
}

#[test]
fn a_fixed_first_touch_bug_is_found_with_its_mapping_and_both_shares() {
    let diff = mended();
    let headline = diff.headline.as_ref().unwrap();
    assert_eq!(headline.quantity, "local_access_share");
    assert_eq!(headline.change.verdict, Verdict::Better);
    let process = diff.processes_of("app").next().unwrap();
    assert_eq!(process.matched_by, Some(MatchedBy::Command));
    let mapping = &process.mappings[0];
    let surprise = mapping.changes.get("surprise_share").unwrap();
    assert_eq!(
        (surprise.before, surprise.after, surprise.verdict),
        (Some(1.0), Some(0.0), Verdict::Better)
    );
    let gone: Vec<&str> = diff.findings.gone.iter().map(|f| f.id.as_str()).collect();
    assert!(gone.contains(&"first-touch-elsewhere"), "{gone:?}");
    insta::assert_snapshot!("diff_mended", render(&diff, &terminal()));
}

#[test]
fn the_other_way_round_limits_are_crossed() {
    let (good, bad) = (before_after::mended(), before_after::bug());
    for (diff, wanted) in [(compare(&good, &bad), true), (compare(&bad, &good), false)] {
        for text in [
            "surprise_pages_change > 1000",
            "proc(app).surprise_share > 50%",
            "proc(app).local_access_share_change < -10%",
            "local_access_share_sigma < -3 or proc(app).local_access_share_sigma < -3",
            "findings_new > 0 and surprise_pages > 0",
        ] {
            let expr = Expr::parse(text, &DiffNames).unwrap();
            assert_eq!(
                expr.evaluate(&DiffValues(&diff)).holds,
                Some(wanted),
                "{text}"
            );
        }
    }
}

#[test]
fn a_report_compared_with_itself_has_not_changed() {
    for (name, snapshot) in fixture::all() {
        let diff = compare(&snapshot, &snapshot);
        let changed = |changes: &numatrace::model::diff::Changes| {
            changes.0.values().any(|change| change.verdict.is_change())
        };
        assert!(!changed(&diff.machine), "{name}");
        assert!(
            !diff
                .processes
                .iter()
                .any(|process| changed(&process.changes)),
            "{name}"
        );
        assert!(
            diff.findings.new.is_empty() && diff.findings.gone.is_empty(),
            "{name}"
        );
        assert!(
            diff.processes
                .iter()
                .all(|process| process.matched_by.is_some()),
            "{name}"
        );
    }
}

#[test]
fn differences_between_the_sessions_come_first() {
    let (before, mut after) = (fixture::two_nodes(), fixture::fallback());
    after.audit.verdict = Audit::Failed;
    after.host.kernel = "7.3.1".into();
    after.session.duration_s *= 3.0;
    let diff = compare(&before, &after);
    for needle in [
        "audit of the second",
        "page_alloc was attached",
        "7.3.1",
        "differ in length",
    ] {
        assert!(
            diff.notes.iter().any(|note| note.contains(needle)),
            "{needle}: {:#?}",
            diff.notes
        );
    }
    let misses = diff.machine.get("numa_miss").unwrap();
    assert_eq!((misses.after, misses.verdict), (None, Verdict::Unmeasured));
    insta::assert_snapshot!("diff_fallback", render(&diff, &terminal()));
}

#[test]
fn no_page_lets_a_name_control_the_terminal_or_is_wider_than_it() {
    let all = fixture::all();
    for (name, before) in &all {
        for (other, after) in &all {
            if *name == "crowd" || *other == "crowd" {
                continue;
            }
            for line in render(&compare(before, after), &terminal()).lines() {
                assert!(
                    !line.contains(escape::is_hostile),
                    "{name} {other}: {line:?}"
                );
                assert!(line.width() <= 100, "{name} {other}: {line}");
            }
        }
    }
}

#[test]
fn every_comparison_is_valid_by_the_schema() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut diffs = vec![("mended", mended())];
    let all = fixture::all();
    // Ten thousand similar processes prove no more than ten, and take minutes.
    let few = all.iter().filter(|(name, _)| *name != "crowd");
    diffs.extend(few.map(|(name, after)| (*name, compare(&fixture::two_nodes(), after))));
    for (name, diff) in diffs {
        let diff: Value = serde_json::from_str(&json::to_line(&diff).unwrap()).unwrap();
        let breaches: Vec<String> = validator
            .iter_errors(&diff)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(breaches.is_empty(), "{name}: {breaches:#?}");
    }
}

proptest! {
    // Each case compares and prints two whole reports.
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// A report may have any numbers: sums saturate, shares stay shares, nothing panics.
    #[test]
    fn hostile_numbers_are_compared_without_a_panic(
        numbers in prop::collection::vec(any::<u64>(), 24),
        seconds in any::<f64>(),
    ) {
        let mut hostile = before_after::bug();
        hostile.session.duration_s = seconds;
        let mut numbers = numbers.into_iter().cycle();
        for process in &mut hostile.processes {
            let counts = process.alloc.iter_mut().flat_map(|alloc| {
                [&mut alloc.local_node, &mut alloc.other_node, &mut alloc.numa_miss]
            });
            for counts in counts {
                *counts = Some(numatrace::model::PerNode(numbers.by_ref().take(3).collect()));
            }
            for mapping in &mut process.mappings {
                mapping.surprise_pages = numbers.next();
                mapping.start.0 = numbers.next().unwrap_or(0);
            }
            process.away_ns = numbers.next();
        }
        let mended = before_after::mended();
        for diff in [compare(&hostile, &mended), compare(&mended, &hostile)] {
            for process in &diff.processes {
                for (name, change) in &process.changes.0 {
                    if name.ends_with("_share") {
                        let is_share = |share| (0.0..=1.0).contains(&share);
                        prop_assert!(change.before.is_none_or(is_share), "{name} {change:?}");
                    }
                }
            }
            prop_assert!(!render(&diff, &terminal()).is_empty());
            prop_assert!(json::to_line(&diff).is_ok());
        }
    }
}
