//! Sessions that were kept, read back: recordings, and JSON reports of a session or of its intervals, one a line.
//!
//! What a file holds was written by anybody. Fields that are not known are passed over, a `null` stays unknown, another version of the
//! report is refused with a way out, and a file beyond [`LARGEST`] is not read to its end.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use serde::Deserialize;
use serde_json::Deserializer;

use super::replay::{Replay, Wanted};
use crate::{
    capture::recording::frame::MAGIC,
    console::progress::{Progress, Work},
    decode::{
        count::Owner,
        event::{Body, Event},
    },
    exit::{Exit, Failure},
    label::activity::reason,
    model::{Recorded, RecordedWhat, Snapshot, report::Schema},
    output::escape,
};

/// Bytes of the largest file that is read: a process takes about two thousand, so a report of a hundred thousand processes has a fifth of it.
const LARGEST: u64 = 1 << 30;

/// What stands for standard input.
const STDIN: &str = "-";

/// A session that was kept.
#[derive(Debug, Default)]
pub struct Saved {
    /// Its report, or those of its intervals in their order; at least one.
    pub reports: Vec<Snapshot>,
    /// What a recording lacks, in sentences for a person.
    pub remarks: Vec<String>,
    /// Moves of tasks and pages in a recording, in order of time, as far as there is room; only [`in_time`] reads them.
    pub moves: Vec<Recorded>,
    /// Moves for which there was no room.
    pub more_moves: u64,
}

/// Moves that are kept in memory: 64 MB of them, and more than any viewer of traces shows.
const MOVES: usize = 1_000_000;

/// Reads the one report in a file, of the whole session where it is a recording; `-` is standard input.
///
/// # Errors
/// It cannot be read, is no report, of another version, or holds several intervals.
pub fn snapshot(path: &Path) -> anyhow::Result<Snapshot> {
    let mut saved = if is_recording(path)? {
        replayed(path, true, false)?
    } else {
        documents(path)?
    };
    say(&saved.remarks);
    match (saved.reports.pop(), saved.reports.len()) {
        (Some(only), 0) => Ok(only),
        (_, more) => Err(refused(
            path,
            &format!("it holds the reports of {} intervals", more + 1),
            "take one of them: sed -n 3p FILE > third.json; or trace without -i",
        )
        .into()),
    }
}

/// Reads all reports of a file, those of intervals where it has them, and what it tells of single moves.
///
/// # Errors
/// As [`snapshot`].
pub fn in_time(path: &Path) -> anyhow::Result<Saved> {
    let saved = if is_recording(path)? {
        replayed(path, false, true)?
    } else {
        documents(path)?
    };
    say(&saved.remarks);
    Ok(saved)
}

/// What a file lacks is said before anything is made of it.
fn say(remarks: &[String]) {
    for remark in remarks {
        eprintln!("numatrace: {remark}");
    }
}

/// Does a file begin as recordings do? Standard input and pipes are documents.
fn is_recording(path: &Path) -> anyhow::Result<bool> {
    if path == Path::new(STDIN) {
        return Ok(false);
    }
    let unreadable = |error: io::Error| refused(path, &error.to_string(), WRITES);
    // Asked before it is opened: to open a pipe twice would end whoever writes to it.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Ok(false);
    }
    let mut file = File::open(path).map_err(unreadable)?;
    let mut start = [0; MAGIC.len()];
    Ok(file.read_exact(&mut start).is_ok() && start == MAGIC)
}

/// Replays a recording.
fn replayed(path: &Path, whole: bool, with_moves: bool) -> anyhow::Result<Saved> {
    let wanted = Wanted {
        whole,
        ..Wanted::default()
    };
    let replay = Replay::open(path, wanted)?;
    let mut progress = Progress::new(Work::Reading(replay.length), false);
    let mut saved = Saved::default();
    let (moves, more, reports) = (&mut saved.moves, &mut saved.more_moves, &mut saved.reports);
    let outcome = replay.run_showing(
        &mut |event| {
            if let Some(recorded) = moved(event).filter(|_| with_moves) {
                if moves.len() < MOVES {
                    moves.push(recorded);
                } else {
                    *more += 1;
                }
            }
        },
        &mut |snapshot| {
            reports.push(snapshot);
            Ok(true)
        },
        &mut |read| progress.show(read),
    );
    drop(progress);
    saved.remarks = outcome?.remarks;
    // In order by CPU, across CPUs nearly so.
    saved.moves.sort_by_key(|recorded| recorded.time_ns);
    if saved.more_moves > 0 {
        saved.remarks.push(format!(
            "{} moves more than the first {MOVES} are in the sums only",
            saved.more_moves
        ));
    }
    anyhow::ensure!(!saved.reports.is_empty(), "the recording holds no session");
    Ok(saved)
}

/// A move, if an event is one.
fn moved(event: &Event) -> Option<Recorded> {
    let (pid, nodes, what) = match &event.body {
        Body::TaskMoved(moved) => (
            Some(moved.thread.pid),
            moved.nodes,
            RecordedWhat::Task {
                tid: moved.thread.tid,
                cpus: moved.cpus,
                reason: reason(moved.reason),
            },
        ),
        Body::PagesMoved(moved) => (
            match moved.owner {
                Owner::Thread(thread) => Some(thread.pid),
                _ => None,
            },
            moved.nodes,
            RecordedWhat::Pages {
                moved_by: moved.asker,
                pages: moved.pages,
            },
        ),
        _ => return None,
    };
    Some(Recorded {
        time_ns: event.time_ns,
        pid,
        nodes,
        what,
    })
}

/// Reads JSON.
fn documents(path: &Path) -> anyhow::Result<Saved> {
    let bytes = bytes(path).map_err(|error| refused(path, &error.to_string(), WRITES))?;
    Ok(Saved {
        reports: parse(path, &bytes)?,
        ..Saved::default()
    })
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let input: Box<dyn Read> = if path == Path::new(STDIN) {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::Error::other("it is a directory"));
        }
        Box::new(file)
    };
    let mut bytes = Vec::new();
    input.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LARGEST) {
        return Err(io::Error::other(format!(
            "it is larger than {} MiB",
            LARGEST >> 20
        )));
    }
    Ok(bytes)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<Snapshot>, Failure> {
    let mut all = Vec::new();
    for report in Deserializer::from_slice(bytes).into_iter::<Snapshot>() {
        match report {
            Ok(report) => all.push(report),
            // A session that was killed leaves its last line in half.
            Err(error) if error.is_eof() && !all.is_empty() => {
                return Err(refused(
                    path,
                    &format!("it ends in the middle of its report {}", all.len() + 1),
                    "take the whole ones: head -n -1 FILE > whole.jsonl",
                ));
            }
            Err(error) => return Err(explained(path, bytes, &error)),
        }
    }
    if all.is_empty() {
        return Err(refused(path, "it is empty", WRITES));
    }
    Ok(all)
}

const WRITES: &str =
    "give a report (numatrace trace -f json -o FILE) or a recording (numatrace record -o FILE)";

/// Only what tells one document from another.
#[derive(Deserialize)]
struct Head {
    schema: Option<serde_json::Value>,
}

/// Why a file is no report: another document is named as such, before any field that it lacks.
fn explained(path: &Path, bytes: &[u8], error: &serde_json::Error) -> Failure {
    let head = Deserializer::from_slice(bytes)
        .into_iter::<Head>()
        .next()
        .and_then(Result::ok)
        .and_then(|head| head.schema);
    let why = match head {
        Some(serde_json::Value::String(schema)) if schema != Schema::NAME => {
            let what = serde_json::from_value::<Schema>(schema.into());
            what.map_or_else(|why| why.to_string(), |_| error.to_string())
        }
        _ => error.to_string(),
    };
    refused(path, &why, WRITES)
}

fn refused(path: &Path, why: &str, hint: &str) -> Failure {
    let name = if path == Path::new(STDIN) {
        "standard input".into()
    } else {
        escape::text(path.as_os_str().as_encoded_bytes())
    };
    Failure::new(
        Exit::Failed,
        format!("cannot read {name}: {}", escape::text(why.as_bytes())),
        hint,
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EXAMPLE: &str = include_str!("../../../tests/contract/example.json");

    fn parsed(text: &str) -> Result<Vec<Snapshot>, String> {
        parse(Path::new("x.json"), text.as_bytes()).map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_report_reads_back_and_fields_it_does_not_know_are_passed_over() {
        let one = parsed(EXAMPLE).unwrap();
        let more = EXAMPLE.replacen('{', "{\"of_a_later_version\": [{}], ", 1);
        assert_eq!(parsed(&more).unwrap(), one);
        let intervals = format!("{EXAMPLE}\n{EXAMPLE}");
        assert_eq!(parsed(&intervals).unwrap().len(), 2);
    }

    #[test]
    fn what_is_no_report_is_refused_with_a_way_out() {
        for (text, why) in [
            ("", "empty"),
            ("{}", "missing field"),
            ("not json", "expected"),
            (
                "{\"schema\": \"numatrace.report/2\", \"host\": 1}",
                "version that wrote it",
            ),
            (
                "{\"host\": 1, \"schema\": \"numatrace.audit/1\"}",
                "not a numatrace report",
            ),
            ("{\"schema\": \"\\u001b[2J\"}", "\\u{1b}[2J"),
        ] {
            let error = parsed(text).unwrap_err();
            assert!(
                error.contains(why) && error.contains("hint"),
                "{text}: {error}"
            );
            assert!(!error.contains('\u{1b}'), "{error:?}");
        }
        let cut = format!("{EXAMPLE}\n{}", &EXAMPLE[..200]);
        assert!(parsed(&cut).unwrap_err().contains("its report 2"));
    }

    #[test]
    fn files_that_are_none_are_told() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path(), Path::new("/nowhere")] {
            let error = snapshot(path).unwrap_err().to_string();
            assert!(error.contains("cannot read"), "{error}");
        }
        let two = folder.path().join("two.jsonl");
        fs::write(&two, format!("{EXAMPLE}{EXAMPLE}")).unwrap();
        let error = snapshot(&two).unwrap_err().to_string();
        assert!(error.contains("2 intervals"), "{error}");
    }

    proptest! {
        #[test]
        fn a_report_with_a_byte_changed_is_read_or_refused(at in 0..EXAMPLE.len(), byte: u8) {
            let mut bytes = EXAMPLE.as_bytes().to_vec();
            bytes[at] = byte;
            let _ = parse(Path::new("x"), &bytes);
        }

        #[test]
        fn a_report_cut_anywhere_is_refused(at in 0..EXAMPLE.trim_end().len()) {
            prop_assert!(parse(Path::new("x"), &EXAMPLE.as_bytes()[..at]).is_err());
        }
    }
}
