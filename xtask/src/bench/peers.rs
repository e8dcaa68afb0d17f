//! Other tools that count allocations, as far as this machine can have them: bpftrace, perf,
//! ftrace.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::compare::Mode;
use crate::{debian::Mirror, run, workspace};

/// The event that all of them count.
const EVENT: &str = "mm_page_alloc";

/// The tools on this machine, and the reasons for the missing ones.
pub struct Peers {
    bpftrace: Option<(Vec<String>, String)>,
    perf: Option<String>,
    /// A line for each tool that is missing.
    pub missing: Vec<String>,
}

impl Peers {
    /// Finds them, and fetches those that are not installed.
    #[must_use]
    pub fn find() -> Self {
        let mut missing = Vec::new();
        let mut or_missing = |name: &str, found: Result<(Vec<String>, String)>| {
            found
                .map_err(|why| missing.push(format!("{name} could not be had: {why:#}")))
                .ok()
        };
        let bpftrace = or_missing("bpftrace", bpftrace());
        let perf = or_missing("perf", perf()).map(|(_, version)| version);
        Self {
            bpftrace,
            perf,
            missing,
        }
    }

    /// Returns modes that count every allocation of the machine while the load runs.
    #[must_use]
    pub fn modes(&self, bench: &Path) -> Vec<Mode> {
        let mut modes = self.bpftrace_counting();
        let around = |name: String, words: &[&str]| Mode {
            name,
            argv: words.iter().map(|word| (*word).to_owned()).collect(),
            ready: None,
            report: None,
        };
        if let Some(version) = &self.perf {
            let event = format!("kmem:{EVENT}");
            modes.push(around(
                format!("perf {version} stat -a"),
                &["perf", "stat", "-a", "-e", &event, "{load...}"],
            ));
            modes.push(around(
                format!("perf {version} record -a"),
                &[
                    "perf",
                    "record",
                    "-a",
                    "-o",
                    "/dev/null",
                    "-e",
                    &event,
                    "{load...}",
                ],
            ));
        }
        let bench = bench.to_string_lossy();
        let event = format!("kmem/{EVENT}");
        for (name, reader) in [
            ("ftrace event, no reader", None),
            ("ftrace event, read", Some("--reader")),
        ] {
            let mut words = vec![bench.as_ref(), "ftrace", &event];
            words.extend(reader);
            modes.push(Mode {
                ready: Some("ready".to_owned()),
                ..around(name.to_owned(), &words)
            });
        }
        modes
    }

    /// bpftrace counting by process, on the raw tracepoint and on the tracepoint.
    #[must_use]
    pub fn bpftrace_counting(&self) -> Vec<Mode> {
        let Some((command, version)) = &self.bpftrace else {
            return Vec::new();
        };
        [
            (
                "rawtracepoint",
                format!("rawtracepoint:{EVENT} {{ @[pid] = count(); }}"),
            ),
            (
                "tracepoint",
                format!("tracepoint:kmem:{EVENT} {{ @[pid] = count(); }}"),
            ),
        ]
        .into_iter()
        .map(|(kind, script)| {
            let mut argv = command.clone();
            argv.extend(["-q", "-e", &script, "-c", "{load}"].map(str::to_owned));
            Mode {
                name: format!("bpftrace {version} {kind}, count by pid"),
                argv,
                ready: None,
                report: None,
            }
        })
        .collect()
    }
}

/// Returns the system's bpftrace when it is 0.20 or newer, else Debian's with its own C library,
/// which is newer than this machine's may be.
fn bpftrace() -> Result<(Vec<String>, String)> {
    let version = |command: &[String]| -> Option<String> {
        let (program, arguments) = command.split_first()?;
        let text = run::capture(Command::new(program).args(arguments).arg("--version")).ok()?;
        Some(text.trim().trim_start_matches("bpftrace v").to_owned())
    };
    let system = vec!["bpftrace".to_owned()];
    if let Some(found) = version(&system).filter(|found| minor(found) >= 20) {
        return Ok((system, found));
    }
    let tree = workspace::lab().join("bpftrace");
    if !tree.exists() {
        fetch(&tree)?;
    }
    let libraries = tree.join("usr/lib/x86_64-linux-gnu");
    let words = [
        tree.join("usr/lib64/ld-linux-x86-64.so.2"),
        PathBuf::from("--library-path"),
        libraries,
        tree.join("usr/bin/bpftrace"),
    ];
    let command: Vec<String> = words
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let found = version(&command).context("Debian's does not start here")?;
    Ok((command, found))
}

/// Returns 23 of `0.23.2`.
fn minor(version: &str) -> u32 {
    let mut parts = version.split('.');
    let (major, minor) = (parts.next(), parts.next());
    let number = |part: Option<&str>| part.and_then(|part| part.parse().ok()).unwrap_or(0);
    number(major) * 1000 + number(minor)
}

fn fetch(tree: &Path) -> Result<()> {
    let mirror = Mirror::open()?;
    if tree.exists() {
        return Ok(());
    }
    let fresh = tempfile::tempdir_in(workspace::lab())?;
    mirror.unpack_whole("bpftrace", "trixie", fresh.path())?;
    fs::rename(fresh.keep(), tree)?;
    Ok(())
}

fn perf() -> Result<(Vec<String>, String)> {
    let text = run::capture(Command::new("perf").arg("--version"))?;
    let version = text.trim().trim_start_matches("perf version ").to_owned();
    Ok((vec!["perf".to_owned()], version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(minor("0.23.2") >= 20);
        assert!(minor("0.17.0") < 20);
        assert!(minor("1.0.0") >= 20);
        assert_eq!(minor("not found"), 0);
    }
}
