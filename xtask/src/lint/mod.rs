//! `cargo xtask lint`: the length of lines, formatting, licences and sources of dependencies, and
//! clippy for the workspace and for the eBPF crate, which has its own target.

mod lines;

use std::process::Command;

use anyhow::Result;

use crate::{build, run, toolchain, workspace};

/// Lints of the workspace that do not fit the kernel side, where a program must stay within the
/// limits of the verifier.
///
/// aya's attributes pass a program its context by value. A checked conversion costs a branch on
/// paths that run for every page, and its failure has nowhere to go: kernel values are narrowed
/// where the type in the record is chosen for their range.
const NOT_FOR_EBPF: [&str; 3] = [
    "-Aclippy::needless_pass_by_value",
    "-Aclippy::cast_possible_truncation",
    "-Aclippy::cast_sign_loss",
];

/// Runs all of them, quick ones first; any finding is an error.
///
/// # Errors
/// The first finding; the tool that made it has printed it.
pub fn run() -> Result<()> {
    lines::check()?;
    run::check(run::cargo().args(["fmt", "--all", "--check"]))?;
    deny()?;
    clippy()?;
    clippy_of_tiers()?;
    clippy_of_ebpf()
}

/// Checks the dependencies against deny.toml.
fn deny() -> Result<()> {
    let mut deny = Command::new(toolchain::cargo_deny()?);
    deny.current_dir(workspace::root());
    // All but advisories, whose database needs a network; the lock file stays as it is.
    run::check(deny.args(["--locked", "check", "bans", "licenses", "sources"]))
}

fn clippy() -> Result<()> {
    run::check(run::cargo().args([
        "clippy",
        "--workspace",
        "--exclude",
        "numatrace-ebpf",
        "--all-targets",
        "--",
        "-Dwarnings",
    ]))
}

/// The test programs that `cargo test` does not run (`test = false`) are in no `--all-targets`.
fn clippy_of_tiers() -> Result<()> {
    let mut tiers = run::cargo();
    tiers.args(["clippy", "--package", "numatrace-tests"]);
    for test in build::TESTS {
        tiers.args(["--test", test]);
    }
    run::check(tiers.args(["--", "-Dwarnings"]))
}

/// The kernel side builds `core` itself and sees another architecture, as in numatrace/build.rs.
fn clippy_of_ebpf() -> Result<()> {
    let mut ebpf = run::cargo();
    ebpf.args([
        "clippy",
        "--release",
        "--package",
        "numatrace-ebpf",
        "--bins",
        "--target",
        "bpfel-unknown-none",
    ]);
    ebpf.args(["-Zbuild-std=core", "--target-dir"])
        .arg(workspace::target().join("ebpf-lint"));
    ebpf.env("RUSTC_BOOTSTRAP", "1").env(
        "CARGO_ENCODED_RUSTFLAGS",
        "--cfg=bpf_target_arch=\"x86_64\"",
    );
    run::check(ebpf.args(["--", "-Dwarnings"]).args(NOT_FOR_EBPF))
}
