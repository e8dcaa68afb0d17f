//! Sessions that were kept, read back: JSON reports of one session, or of its intervals one a line.
//!
//! What a file holds was written by anybody. Fields that are not known are passed over, a `null` stays unknown, another version of the
//! report is refused with a way out, and a file beyond [`LARGEST`] is not read to its end.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use serde::Deserialize;
use serde_json::Deserializer;

use crate::{
    exit::{Exit, Failure},
    model::{Snapshot, report::Schema},
    output::escape,
};

/// Bytes of the largest file that is read: reports of a hundred thousand processes have a tenth of it.
const LARGEST: u64 = 1 << 30;

/// What stands for standard input.
const STDIN: &str = "-";

/// Reads the one report in a file; `-` is standard input.
///
/// # Errors
/// It cannot be read, is no report, of another version, or holds several intervals.
pub fn snapshot(path: &Path) -> anyhow::Result<Snapshot> {
    let mut all = snapshots(path)?;
    match (all.pop(), all.len()) {
        (Some(only), 0) => Ok(only),
        (_, more) => Err(refused(
            path,
            &format!("it holds the reports of {} intervals", more + 1),
            "take one of them: sed -n 3p FILE > third.json; or trace without -i",
        )
        .into()),
    }
}

/// Reads all reports of a file, intervals in their order; at least one.
///
/// # Errors
/// As [`snapshot`].
pub fn snapshots(path: &Path) -> anyhow::Result<Vec<Snapshot>> {
    let bytes = bytes(path).map_err(|error| {
        refused(
            path,
            &error.to_string(),
            "give a report as `numatrace trace -f json -o FILE` writes it",
        )
    })?;
    parse(path, &bytes).map_err(anyhow::Error::from)
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

const WRITES: &str = "a report is what `numatrace trace -f json -o FILE` writes";

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

    const EXAMPLE: &str = include_str!("../../tests/contract/example.json");

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
        std::fs::write(&two, format!("{EXAMPLE}{EXAMPLE}")).unwrap();
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
