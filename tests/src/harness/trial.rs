//! Commands of fixes, as they were tried: each leaves a line for the table of docs/findings.md,
//! which `cargo xtask fixes` writes.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// File of the lines, in `NUMATRACE_ARTIFACTS`.
pub const FILE: &str = "trials.tsv";

/// Words of a command beyond which the table shows no more.
const WORDS: usize = 20;

/// Returns the first command of the first fix of a kind that contains a word.
#[must_use]
pub fn command(finding: &Value, kind: &str, word: &str) -> Option<String> {
    let fixes = finding["fixes"].as_array()?;
    let of_kind = fixes.iter().filter(|fix| fix["kind"] == kind);
    let commands = of_kind.filter_map(|fix| fix["commands"].as_array());
    let mut commands = commands.flatten().filter_map(Value::as_str);
    commands.find(|line| line.contains(word)).map(str::to_owned)
}

/// Notes that a command of a finding was run as printed, and that the finding was gone afterwards.
///
/// # Errors
/// The line cannot be written.
pub fn worked(id: &str, command: &str) -> Result<()> {
    let Some(folder) = std::env::var_os("NUMATRACE_ARTIFACTS") else {
        return Ok(());
    };
    let path = Path::new(&folder).join(FILE);
    let mut options = std::fs::OpenOptions::new();
    let file = options.create(true).append(true).open(&path);
    let mut file = file.with_context(|| format!("cannot open {}", path.display()))?;
    // Files of tests have the process in their names.
    let command = command.replace(&format!("-{}", std::process::id()), "");
    writeln!(file, "{id}\t{}", brief(&command)).context("cannot note a trial")
}

/// Returns a command as the table shows it: without folders of test programs, without process ids.
fn brief(command: &str) -> String {
    let words: Vec<&str> = command.split_whitespace().collect();
    let mut shown: Vec<String> = Vec::new();
    for (at, word) in words.iter().take(WORDS).enumerate() {
        let is_pid = at == 1 && words[0] == "migratepages";
        shown.push(if is_pid {
            "PID".to_owned()
        } else {
            word.trim_start_matches("/usr/local/bin/").to_owned()
        });
    }
    if words.len() > WORDS {
        shown.push("…".to_owned());
    }
    shown.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_command_is_found_by_kind_and_word() {
        let finding = json!({"fixes": [
            {"kind": "look", "commands": ["numatrace stat -m"]},
            {"kind": "sysctl", "commands": ["echo 1 > /a/compact"]},
            {"kind": "sysctl", "commands": ["echo defer > /b/defrag"]},
        ]});
        let found = command(&finding, "sysctl", "defrag");
        assert_eq!(found.as_deref(), Some("echo defer > /b/defrag"));
        assert_eq!(command(&finding, "run_command", ""), None);
    }

    #[test]
    fn the_table_shows_no_folders_and_no_process_ids() {
        assert_eq!(brief("migratepages 4242 1 0"), "migratepages PID 1 0");
        assert_eq!(
            brief("numactl --membind=1 /usr/local/bin/workload touch --mib 64"),
            "numactl --membind=1 workload touch --mib 64"
        );
        let long = "a ".repeat(21);
        assert_eq!(brief(&long), format!("{}…", "a ".repeat(20)));
    }
}
