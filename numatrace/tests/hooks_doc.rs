//! `docs/hooks.md` is the hook table, printed. To write it anew:
//! `UPDATE_DOCS=1 cargo test -p numatrace --test hooks_doc`.

#![expect(clippy::unwrap_used, reason = "tests state claims; an unwrap is one")]

use std::{fmt::Write, fs, path::Path};

use numatrace::attach::catalog::{HOOKS, Probe, Row};
use textwrap::{Options, WordSeparator, WordSplitter};

/// Columns of the project's texts.
const COLUMNS: usize = 100;

#[test]
fn the_page_of_hooks_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/hooks.md");
    let expected = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        found, expected,
        "write the page anew: UPDATE_DOCS=1 cargo test -p numatrace --test hooks_doc"
    );
}

const HEAD: &str = "\
# Hooks

The hooks of numatrace, in the order in which a session tries them. A hook that does not attach
never ends a session, unless the session is pointless without it; the report, `doctor` and the JSON
name the hooks in place. `numatrace doctor` shows which hooks a machine allows; `numatrace trace
--hooks` chooses the hooks of a session.

Costs are the kernel's own run time of the programs (`BPF_ENABLE_STATS`), including the time that
reading the clock adds to it, on a virtual machine with two CPUs and Linux 6.18. `numatrace trace -v
-d 10` ends with the mean run time of each program on your machine.
";

fn page() -> String {
    let mut page = String::from(HEAD);
    for row in HOOKS {
        section(&mut page, row).unwrap();
    }
    page.lines().map(|line| wrapped(line) + "\n").collect()
}

/// Wraps a paragraph, or an item of a list.
fn wrapped(line: &str) -> String {
    let indent = if line.starts_with("- ") { "  " } else { "" };
    let options = Options::new(COLUMNS)
        .subsequent_indent(indent)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation);
    textwrap::fill(line, options)
}

fn section(page: &mut String, row: &Row) -> std::fmt::Result {
    writeln!(page, "\n## {}\n", row.hook)?;
    writeln!(page, "Measures {}.\n", row.measures)?;
    for set in row.exact {
        writeln!(page, "- exact: {}", probes(set))?;
    }
    if !row.fallback.is_empty() {
        writeln!(page, "- fallback: {}", probes(row.fallback))?;
        writeln!(page, "- lost on the fallback: {}", row.lost_on_fallback)?;
    }
    writeln!(page, "- lost without it: {}", row.lost)?;
    writeln!(page, "- kernels: {}", row.kernels)?;
    writeln!(page, "- cost: {}", row.cost)?;
    if row.always {
        writeln!(page, "- in every session")?;
    }
    if !row.needs.is_empty() {
        writeln!(page, "- needs {}", row.needs.join(", "))?;
    }
    if row.required {
        writeln!(page, "- a session that wants it ends when it is refused")?;
    }
    if row.accounts {
        writeln!(page, "- without its exact form the audit is `approximate`")?;
    }
    Ok(())
}

fn probes(probes: &[Probe]) -> String {
    probes
        .iter()
        .map(|probe| format!("{} `{}`", probe.kind.name(), probe.targets.join("` or `")))
        .collect::<Vec<_>>()
        .join(", ")
}
