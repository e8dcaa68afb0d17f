//! Checks the reports of tests against the report contract, with the contract's own script.

use std::{fs, path::Path, process::Command};

use anyhow::Result;

use super::tally::Tally;
use crate::{run, workspace};

/// Checks every `report-*.json` of a folder, and names them by the place where they will be kept.
/// Each breach is a failure, and so is a folder without reports when `some` are expected. Prints a
/// line instead without python3.
///
/// # Errors
/// The folder cannot be read.
pub fn check(folder: &Path, place: &Path, some: bool) -> Result<Tally> {
    let mut reports = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("report-") && name.ends_with(".json") {
            reports.push(path);
        }
    }
    reports.sort();
    if reports.is_empty() {
        if some {
            println!("contract: the tests left no report in {}", place.display());
        }
        return Ok(Tally::new(0, u64::from(some)));
    }
    if !run::on_path("python3") {
        println!(
            "contract: {} reports not checked: install python3",
            reports.len()
        );
        return Ok(Tally::default());
    }
    let checker = workspace::root().join("tests/contract/check_report.py");
    let mut tally = Tally::default();
    for report in &reports {
        let checked = run::output(Command::new("python3").arg(&checker).arg(report))?;
        let kept = checked.status.success();
        tally += Tally::new(u64::from(kept), u64::from(!kept));
        if !kept {
            let said = [checked.stdout, checked.stderr].concat();
            println!(
                "contract: {} breaks it:\n{}",
                place.join(report.file_name().unwrap_or_default()).display(),
                String::from_utf8_lossy(&said).trim_end()
            );
        }
    }
    println!("contract: {tally}");
    Ok(tally)
}
