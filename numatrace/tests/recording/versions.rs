//! Recordings of every version read as they did when they were made: later versions may add fields,
//! and may neither remove nor change any.

use std::time::Duration;

use numatrace::{ids::Pid, model::ProcessKind, output::json, recording::wanted::Wanted};
use serde_json::Value;

use crate::{V1, read};

/// Report that the session of [`V1`] printed itself (`--report -f json`).
const V1_REPORT: &str = include_str!("v1.json");

/// Fields of judgements on what was measured, and of the words that explain it: these may get
/// better, but none may appear or disappear.
const WORDED: [&str; 5] = ["findings", "verdict", "evidence", "lost", "why"];

/// Claims that everything in `before` is in `now`.
fn same(at: &str, now: &Value, before: &Value) {
    match (now, before) {
        (Value::Object(now), Value::Object(before)) => {
            for (key, value) in before {
                let found = now.get(key).unwrap_or_else(|| panic!("{at}.{key} is gone"));
                if WORDED.contains(&key.as_str()) {
                    assert_eq!(found.is_null(), value.is_null(), "{at}.{key}");
                } else {
                    same(&format!("{at}.{key}"), found, value);
                }
            }
        }
        (Value::Array(now), Value::Array(before)) => {
            assert_eq!(now.len(), before.len(), "{at}");
            for (index, (now, before)) in now.iter().zip(before).enumerate() {
                same(&format!("{at}[{index}]"), now, before);
            }
        }
        _ => assert_eq!(now, before, "{at}"),
    }
}

#[test]
fn version_1_has_the_report_that_its_recorder_printed() {
    let (reports, outcome) = read(V1, Wanted::default()).unwrap();
    assert_eq!(reports.len(), 1);
    assert!(outcome.records > 0);
    let now = serde_json::from_str(&json::to_line(&reports[0]).unwrap()).unwrap();
    same("$", &now, &serde_json::from_str(V1_REPORT).unwrap());
}

#[test]
fn a_part_in_time_says_which_and_has_less_of_everything() {
    let (whole, _) = read(V1, Wanted::default()).unwrap();
    let wanted = Wanted {
        to: Some(Duration::from_millis(1)),
        ..Wanted::default()
    };
    let (part, _) = read(V1, wanted).unwrap();
    let (whole, part) = (&whole[0], &part[0]);
    let bounds = part.session.part.unwrap();
    assert!(bounds.from_s == 0.0 && bounds.to_s > 0.0, "{bounds:?}");
    assert!(part.session.duration_s < whole.session.duration_s);
    let pages = |snapshot: &numatrace::model::Snapshot| {
        let alloc = snapshot.alloc_total().unwrap();
        alloc.pages.unwrap().total()
    };
    assert!(pages(part) < pages(whole));
    assert_eq!(
        part.audit.unexplained, None,
        "there is no reading of the kernel's counters there"
    );
}

#[test]
fn details_of_some_processes_leave_the_sums_alone() {
    let (whole, _) = read(V1, Wanted::default()).unwrap();
    let focus = whole[0].focus().unwrap().pid;
    let wanted = Wanted {
        pids: vec![focus],
        ..Wanted::default()
    };
    let (some, _) = read(V1, wanted).unwrap();
    let users = some[0]
        .processes
        .iter()
        .filter(|p| p.kind == ProcessKind::User);
    assert_eq!(users.map(|p| p.pid).collect::<Vec<Pid>>(), [focus]);
    assert_eq!(some[0].alloc_total(), whole[0].alloc_total());
    assert_eq!(some[0].audit, whole[0].audit);
}
