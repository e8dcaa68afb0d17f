//! numactl's `numastat`, to compare with: `NUMASTAT` names it, else it is looked up in PATH.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// The rows of a table by name, each with its columns. Names may contain spaces.
pub type Rows = BTreeMap<String, Vec<String>>;

/// Returns the rows of a table that end in `columns` numbers.
#[must_use]
pub fn rows(text: &str, columns: usize) -> Rows {
    let mut rows = Rows::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(split) = words.len().checked_sub(columns).filter(|&split| split > 0) else {
            continue;
        };
        let (name, cells) = words.split_at(split);
        if name != ["Node"] && cells.iter().all(|cell| cell.parse::<f64>().is_ok()) {
            rows.insert(
                name.join(" "),
                cells.iter().map(ToString::to_string).collect(),
            );
        }
    }
    rows
}

/// Returns whether there is a numastat to compare with.
#[must_use]
pub fn is_available() -> bool {
    command()
        .arg("-V")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Returns the output of numastat.
///
/// # Errors
/// numastat cannot be run, or fails.
pub fn output(options: &[&str]) -> Result<String> {
    let output = command()
        .args(options)
        .output()
        .context("cannot run numastat")?;
    ensure!(
        output.status.success(),
        "numastat {options:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

fn command() -> Command {
    Command::new(std::env::var_os("NUMASTAT").unwrap_or_else(|| "numastat".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_told_apart_from_headers_and_text() {
        let text = "Per-node system memory usage (in MBs):\n                 Node 0   Node 1\n\
                    MemTotal  10.00 20.50\n\
                    Node 0 Node 1\n---- ----\nHigh water  1 2\nTotal 3\n";
        let found = rows(text, 2);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found["High water"], ["1", "2"]);
        assert_eq!(found["MemTotal"], ["10.00", "20.50"]);
    }
}
