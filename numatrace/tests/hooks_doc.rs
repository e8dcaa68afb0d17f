//! `docs/hooks.md` is the hook table, printed. `UPDATE_DOCS=1 cargo test -p numatrace --test hooks_doc` writes it anew.

#![expect(clippy::unwrap_used, reason = "tests state claims; an unwrap is one")]

use std::{fmt::Write, fs, path::Path};

use numatrace::attach::catalog::{HOOKS, Probe, Row};

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
        "write it anew: UPDATE_DOCS=1 cargo test -p numatrace --test hooks_doc"
    );
}

fn page() -> String {
    let mut page = String::from(
        "# Hooks\n\nWhat numatrace hangs on, in the order in which it is tried. A hook that does not attach never ends a session unless the \
         session is pointless without it; the report, `doctor` and the JSON say what is in place. `numatrace doctor` says what a machine allows, \
         `numatrace trace --hooks` which of them a session has.\n\n\
         Costs are the kernel's own run time of the programs (`BPF_ENABLE_STATS`) with what reading the clock adds to it, on a virtual machine with \
         two CPUs and Linux 6.18. `numatrace trace -v -d 10` says at its end what a run of each program takes on your machine.\n",
    );
    for row in HOOKS {
        section(&mut page, row).unwrap();
    }
    page
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
        writeln!(
            page,
            "- when it is refused there is no session; it can be left out"
        )?;
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
