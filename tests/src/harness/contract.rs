//! Runs the contract's own checker on a report, on machines with python3. Guests have none: the
//! runner checks the reports that they leave.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Checks a report file. Returns `false` without python3 or without the checker.
///
/// # Errors
/// The breaches, one a line.
pub fn check(report: &Path) -> Result<bool> {
    let checker = checker();
    if !checker.is_file() {
        return Ok(false);
    }
    let ran = match Command::new("python3").arg(checker).arg(report).output() {
        Ok(ran) => ran,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).context("cannot run python3"),
    };
    if !ran.status.success() {
        bail!(
            "{} breaks the contract:\n{}{}",
            report.display(),
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr)
        );
    }
    Ok(true)
}

fn checker() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contract/check_report.py")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_passes_and_a_broken_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let example = checker().with_file_name("example.json");
        if !check(&example).unwrap() {
            return crate::harness::skipped("contract", "no python3");
        }
        let broken = std::fs::read_to_string(&example)
            .unwrap()
            .replace("within_misses", "exact");
        let path = folder.path().join("report.json");
        std::fs::write(&path, broken).unwrap();
        assert!(
            check(&path)
                .unwrap_err()
                .to_string()
                .contains("exact with residual")
        );
    }
}
