//! A truncated recording has everything up to its last whole frame, and says where it ends.

use std::collections::BTreeSet;

use numatrace::{capture::recording::frame::Frames, recording::wanted::Wanted};

use crate::{V1, read};

/// Returns the lengths to truncate to: each of the first bytes, around the ends of frames, and some
/// between; every length with `NUMATRACE_FUZZ_SECONDS`. A test of frames claims that all lengths
/// within one frame are alike, for every byte.
fn places() -> Vec<usize> {
    if std::env::var_os("NUMATRACE_FUZZ_SECONDS").is_some() {
        return (0..V1.len()).collect();
    }
    let mut frames = Frames::open(V1).unwrap();
    let mut chunks = Vec::new();
    let mut places: BTreeSet<usize> = (0..64).chain((0..V1.len()).step_by(997)).collect();
    while frames.next(&mut chunks).unwrap() {
        let end = usize::try_from(frames.position()).unwrap();
        places.extend((end - 2..end + 2).filter(|at| *at < V1.len()));
    }
    places.into_iter().collect()
}

#[test]
fn cut_at_any_byte_it_tells_what_there_is_and_that_it_is_not_all() {
    let mut processes = 0;
    for length in places() {
        match read(&V1[..length], Wanted::default()) {
            // The session has not begun there.
            Err(error) => {
                let said = error.to_string();
                assert!(processes == 0, "{length}: {said}");
                let known = ["ends before its first frame", "holds no session"];
                assert!(
                    known.iter().any(|known| said.contains(known)),
                    "{length}: {said}"
                );
            }
            Ok((reports, outcome)) => {
                let [report] = reports.as_slice() else {
                    panic!("{length}: {} reports", reports.len());
                };
                let incomplete = report.coverage.incomplete.as_deref();
                assert!(
                    incomplete.is_some_and(|why| why.contains("ends before")),
                    "{length}"
                );
                assert_eq!(outcome.remarks.len(), 1, "{length}: {outcome:?}");
                assert_eq!(report.audit.unexplained, None, "{length}");
                let count = report.processes.len();
                assert!(count >= processes, "{length}: what was there is there");
                processes = count;
            }
        }
    }
    assert!(processes > 0);
    let (_, outcome) = read(V1, Wanted::default()).unwrap();
    assert!(outcome.remarks.is_empty(), "{outcome:?}");
}

#[test]
fn a_changed_byte_is_never_taken_for_what_was_there() {
    let (whole, _) = read(V1, Wanted::default()).unwrap();
    for at in (0..V1.len()).step_by(1511) {
        let mut changed = V1.to_vec();
        changed[at] ^= 1 << (at % 8);
        if let Ok((reports, outcome)) = read(&changed, Wanted::default()) {
            assert_ne!(reports, whole, "{at}");
            assert!(!outcome.remarks.is_empty(), "{at}");
        }
    }
}

#[test]
fn bytes_behind_the_end_are_told_of() {
    let mut longer = V1.to_vec();
    longer.extend(b"something else");
    let (reports, outcome) = read(&longer, Wanted::default()).unwrap();
    assert_eq!(reports, read(V1, Wanted::default()).unwrap().0);
    assert!(outcome.remarks[0].contains("behind the end"), "{outcome:?}");
}
