//! Loads saved sessions: recordings, and JSON reports of a session or of its intervals, one per
//! line.
//!
//! Anybody may have written the file. Unknown fields are ignored, a `null` stays unknown, a
//! different version of the report is refused with a hint, and a file above [`LARGEST`] is not read
//! to its end.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use serde::Deserialize;
use serde_json::Deserializer;

use super::{replay::Replay, wanted::Wanted};
use crate::{
    capture::recording::frame::MAGIC,
    console::{
        messages,
        progress::{Progress, Work},
    },
    decode::{
        count::Owner,
        event::{Body, Event},
    },
    exit::{Exit, Failure},
    label::activity::reason,
    model::{Recorded, RecordedWhat, Snapshot, report::Schema},
    output::escape,
};

/// Largest file that is read, bytes. A process takes about 2,000 bytes, so a report of 100,000
/// processes has a fifth of this size.
const LARGEST: u64 = 1 << 30;

/// Path that means standard input.
const STDIN: &str = "-";

/// A session that was loaded.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Its report, or those of its intervals in order; at least one.
    pub reports: Vec<Snapshot>,
    /// Sentences for a person on what a recording lacks.
    pub remarks: Vec<String>,
    /// The first moves of tasks and pages in a recording, in order of time; only [`in_time`] loads
    /// them.
    pub moves: Vec<Recorded>,
    /// Number of further moves, for which there was no room.
    pub more_moves: u64,
}

/// Largest number of moves kept in memory: 64 MB, and more than any trace viewer shows.
const MOVES: usize = 1_000_000;

/// Loads the only report in a file, or makes that of a whole recording; `-` is standard input.
///
/// # Errors
/// The file cannot be read, is no report, has a different version, or holds several intervals.
pub fn snapshot(path: &Path) -> anyhow::Result<Snapshot> {
    let mut loaded = if is_recording(path)? {
        replayed(path, true, false)?
    } else {
        json(path)?
    };
    say(&loaded.remarks);
    match (loaded.reports.pop(), loaded.reports.len()) {
        (Some(only), 0) => Ok(only),
        (_, more) => Err(refused(
            path,
            &format!("it holds the reports of {} intervals", more + 1),
            "take one of them: sed -n 3p FILE > third.json; or trace without -i",
        )
        .into()),
    }
}

/// Loads all reports of a file, those of intervals if it has them, and the single moves of a
/// recording.
///
/// # Errors
/// As [`snapshot`].
pub fn in_time(path: &Path) -> anyhow::Result<Loaded> {
    let loaded = if is_recording(path)? {
        replayed(path, false, true)?
    } else {
        json(path)?
    };
    say(&loaded.remarks);
    Ok(loaded)
}

/// Loads the reports of a JSON file; `None` for a recording, and for what cannot be opened, which
/// the reader of recordings refuses with a reason.
///
/// # Errors
/// As [`snapshot`].
pub fn reports(path: &Path) -> anyhow::Result<Option<Vec<Snapshot>>> {
    match is_recording(path) {
        Ok(false) => Ok(Some(json(path)?.reports)),
        Ok(true) | Err(_) => Ok(None),
    }
}

/// Tells a person what a file lacks, before anything is made of it.
fn say(remarks: &[String]) {
    for remark in remarks {
        messages::say(remark);
    }
}

/// Returns whether a file begins as recordings do. Standard input and pipes are taken for JSON.
fn is_recording(path: &Path) -> anyhow::Result<bool> {
    if path == Path::new(STDIN) {
        return Ok(false);
    }
    let unreadable = |error: io::Error| refused(path, &error.to_string(), WRITES);
    // Checked before it is opened: opening and closing a pipe would end its writer.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Ok(false);
    }
    let mut file = File::open(path).map_err(unreadable)?;
    let mut start = [0; MAGIC.len()];
    Ok(file.read_exact(&mut start).is_ok() && start == MAGIC)
}

/// Replays a recording.
fn replayed(path: &Path, whole: bool, with_moves: bool) -> anyhow::Result<Loaded> {
    let wanted = Wanted {
        whole,
        ..Wanted::default()
    };
    let replay = Replay::open(path, wanted)?;
    let mut progress = Progress::new(Work::Reading(replay.length), false);
    let mut loaded = Loaded::default();
    let (moves, more, reports) = (
        &mut loaded.moves,
        &mut loaded.more_moves,
        &mut loaded.reports,
    );
    let outcome = replay.run_with_progress(
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
    loaded.remarks = outcome?.remarks;
    // Records are in order within a CPU, and nearly so across CPUs.
    loaded.moves.sort_by_key(|recorded| recorded.time_ns);
    if loaded.more_moves > 0 {
        loaded.remarks.push(format!(
            "{} moves after the first {MOVES} are only in the sums",
            loaded.more_moves
        ));
    }
    anyhow::ensure!(!loaded.reports.is_empty(), "the recording holds no session");
    Ok(loaded)
}

/// Returns the move that an event is about, if any.
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

/// Loads JSON reports.
fn json(path: &Path) -> anyhow::Result<Loaded> {
    let bytes = bytes(path).map_err(|error| refused(path, &error.to_string(), WRITES))?;
    if bytes.starts_with(&MAGIC) {
        return Err(refused(
            path,
            "it is a recording, which is read from a file",
            "give the file's path: numatrace export FILE",
        )
        .into());
    }
    Ok(Loaded {
        reports: parse(path, &bytes)?,
        ..Loaded::default()
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
            // A session that was killed leaves half of its last line.
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

/// The field that identifies a document.
#[derive(Deserialize)]
struct Head {
    schema: Option<serde_json::Value>,
}

/// Explains why a file is no report: a different document is named as such, before any missing
/// field.
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
