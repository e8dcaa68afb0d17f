//! `cargo xtask fixes`: tries the commands of fixes in guests, and writes those that did away with
//! their finding into docs/findings.md.

use std::{
    collections::BTreeMap, fmt::Write as _, fs, io::ErrorKind, path::Path, process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{
    test::{
        tally::Tally,
        vm::{self, Guests},
    },
    toolchain::Toolchain,
    workspace,
};

/// Options of `cargo xtask fixes`.
#[derive(Args, Debug)]
pub struct Options {
    /// Kernels, by series
    #[arg(long, value_name = "LIST", default_value = "6.1,7.3")]
    kernel: String,
    /// Node layouts, each on each kernel
    #[arg(long, value_name = "LIST", default_value = "2x2")]
    nodes: String,
    /// Only tests whose name contains this, in guests of these nodes; the rows of the table stay,
    /// and theirs are added
    #[arg(long, value_name = "FILTER")]
    only: Option<String>,
    /// CPU topology, with --only, as in `cargo xtask vm --smp`
    #[arg(long, value_name = "TOPOLOGY", requires = "only")]
    smp: Option<String>,
}

/// Trials that need nodes of another kind: the layout, the topology of CPUs, and the tests.
const ELSEWHERE: [(&str, Option<&str>, &str); 4] = [
    ("2:0,2:512M", None, "fix_trials::memoryless"),
    ("2:512M,0:512M", None, "fix_trials::tiering"),
    ("1x4", Some("sockets=2,cores=2"), "fix_trials::caches"),
    ("2x4", Some("sockets=4,cores=2"), "fix_trials::caches"),
];

/// Seconds that all trials take in one guest, on a machine that has more to do.
const TIMEOUT: u64 = 1800;

/// Tests that try commands, and leave [`FILE`].
const TRIALS: [&str; 3] = ["fix_trials::", "fixes::", "node_short::huge_pages_that"];

/// File in a guest's artifacts: a line for each trial, finding and command with a tab between.
const FILE: &str = "trials.tsv";

/// Comments between which the table is.
const BEGIN: &str = "<!-- trials: written by `cargo xtask fixes` -->";
const END: &str = "<!-- end of trials -->";

/// Guests by finding and command.
type Trials = BTreeMap<(String, String), Vec<String>>;

/// Runs the guests and writes the table.
///
/// # Errors
/// A guest cannot be had, or a file not written.
pub fn run(options: &Options, toolchain: &Toolchain) -> Result<ExitCode> {
    let page = workspace::root().join("docs/findings.md");
    let known = fs::read_to_string(&page)?;
    let guests = |nodes: &str, smp: Option<&str>| {
        Guests::new(&options.kernel, nodes, TIMEOUT).with_topology(smp)
    };
    let mut trials = Trials::new();
    let mut runs = Vec::new();
    if let Some(only) = &options.only {
        trials = rows(&known);
        let guests = guests(&options.nodes, options.smp.as_deref());
        runs.push((guests, vec![only.clone()]));
    } else {
        runs.push((
            guests(&options.nodes, None),
            TRIALS.map(str::to_owned).to_vec(),
        ));
        for (nodes, smp, test) in ELSEWHERE {
            runs.push((guests(nodes, smp), vec![test.to_owned()]));
        }
    }
    let mut tally = Tally::default();
    for (guests, tests) in &runs {
        tally += vm::run_with(
            guests,
            tests,
            "",
            toolchain,
            &mut |kernel, layout, artifacts| {
                add(&mut trials, &format!("{kernel} {layout}"), artifacts)
            },
        )?;
    }
    // Somebody may have worked on the page meanwhile.
    let text = fs::read_to_string(&page)?;
    let text = with_table(&text, &table(&trials))
        .with_context(|| format!("{} has no `{BEGIN}`", page.display()))?;
    fs::write(&page, text)?;
    println!("fixes: {tally}; {}", page.display());
    Ok(if tally.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Adds the trials that a guest left.
fn add(trials: &mut Trials, guest: &str, artifacts: &Path) -> Result<()> {
    let path = artifacts.join(FILE);
    // A guest in which every trial was skipped leaves none.
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    for line in text.lines() {
        let (id, command) = line.split_once('\t').context("a trial without a command")?;
        let guests = trials
            .entry((id.to_owned(), command.to_owned()))
            .or_default();
        if !guests.iter().any(|known| known == guest) {
            guests.push(guest.to_owned());
        }
    }
    Ok(())
}

/// Returns the rows of the table.
fn table(trials: &Trials) -> String {
    let mut table =
        String::from("| finding | command of its fix | gone in guests |\n|---|---|---|\n");
    for ((id, command), guests) in trials {
        let command = command.replace('|', "\\|");
        let _ = writeln!(table, "| `{id}` | `{command}` | {} |", guests.join(", "));
    }
    table
}

/// Returns the trials of a page's table.
fn rows(page: &str) -> Trials {
    let table = page
        .split_once(BEGIN)
        .and_then(|(_, rest)| rest.split_once(END));
    let rows = table.map_or("", |(table, _)| table).lines();
    let row = |line: &str| {
        let cells = line.strip_prefix("| `")?.strip_suffix(" |")?;
        let (id, rest) = cells.split_once("` | `")?;
        let (command, guests) = rest.rsplit_once("` | ")?;
        let guests = guests.split(", ").map(str::to_owned).collect();
        Some(((id.to_owned(), command.replace("\\|", "|")), guests))
    };
    rows.filter_map(row).collect()
}

/// Returns a page with a different table between the comments.
fn with_table(page: &str, table: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{table}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_is_a_row_with_its_guests_and_replaces_the_table_before() {
        let folder = tempfile::tempdir().unwrap();
        let mut trials = Trials::new();
        for (guest, text) in [
            ("6.1 2x2", "a\tx | y\nb\tz\na\tx | y\n"),
            ("7.3 2x2", "a\tx | y\n"),
        ] {
            fs::write(folder.path().join(FILE), text).unwrap();
            add(&mut trials, guest, folder.path()).unwrap();
        }
        let page = format!("above\n{BEGIN}\n| old |\n{END}\nbelow\n");
        let page = with_table(&page, &table(&trials)).unwrap();
        assert!(page.contains("| `a` | `x \\| y` | 6.1 2x2, 7.3 2x2 |\n| `b` | `z` | 6.1 2x2 |\n"));
        assert!(page.starts_with("above\n") && page.ends_with("\nbelow\n"));
        assert!(!page.contains("old"));
        assert_eq!(rows(&page), trials);
        assert_eq!(with_table("no comments", ""), None);
    }
}
