//! Saves a reading in a file, and loads it again to compare with.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};

use crate::model::stat::{SCHEMA, Sample};
use crate::output;

/// Largest file that is read, bytes: a reading of 10,000 processes with all mappings is far
/// smaller.
const LIMIT: u64 = 256 << 20;

/// Returns the JSON document on one line, which [`load`] reads back.
///
/// # Errors
/// Serializing to memory failed.
pub fn bytes(sample: &Sample) -> anyhow::Result<Vec<u8>> {
    let line = output::json::to_line(sample).context("cannot write the reading as JSON")?;
    Ok(line.into_bytes())
}

/// Loads a saved reading, or one line of `stat -f json`.
///
/// # Errors
/// The file cannot be read, is no reading, or is of a different version.
pub fn load(path: &Path) -> anyhow::Result<Sample> {
    let name = || format!("cannot read {:?}", path.display().to_string());
    let mut text = String::new();
    let file = File::open(path).with_context(name)?;
    file.take(LIMIT + 1)
        .read_to_string(&mut text)
        .with_context(name)?;
    if text.len() as u64 > LIMIT {
        bail!(
            "{}: larger than {LIMIT} bytes, so it is no reading of stat --save",
            name()
        );
    }
    let sample: Sample = serde_json::from_str(&text)
        .with_context(|| format!("{}: it is no reading of stat --save", name()))?;
    if sample.schema != SCHEMA {
        bail!(
            "{}: it is {:?}, this version reads {SCHEMA}",
            name(),
            sample.schema
        );
    }
    Ok(sample)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::NodeId;

    #[test]
    fn what_is_saved_loads_and_anything_else_says_what_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a");
        let sample = Sample::new("2026-01-01T00:00:00Z".to_owned(), 4096, vec![NodeId(3)]);
        std::fs::write(&file, bytes(&sample).unwrap()).unwrap();
        assert_eq!(load(&file).unwrap(), sample);
        for (text, said) in [
            ("{}", "no reading"),
            ("rubbish", "no reading"),
            ("", "no reading"),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = format!("{:#}", load(&file).unwrap_err());
            assert!(error.contains(said), "{error}");
        }
        let other = Sample {
            schema: "numatrace.stat/9".to_owned(),
            ..sample
        };
        std::fs::write(&file, bytes(&other).unwrap()).unwrap();
        assert!(
            load(&file)
                .unwrap_err()
                .to_string()
                .contains("numatrace.stat/9")
        );
        assert!(load(dir.path()).is_err());
    }
}
