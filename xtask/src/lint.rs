//! `cargo xtask lint`: formatting, then clippy for the workspace and for the eBPF crate, which has its own target.

use anyhow::Result;

use crate::{run, workspace};

/// Lints of the workspace that do not fit the kernel side, where a program must stay within what the verifier follows.
///
/// aya's attributes hand a program its context by value. A checked conversion costs a branch on paths that run for every
/// page, and its failure has nowhere to go: kernel values are narrowed where the wire's type is chosen for their range.
const NOT_FOR_EBPF: [&str; 3] = [
    "-Aclippy::needless_pass_by_value",
    "-Aclippy::cast_possible_truncation",
    "-Aclippy::cast_sign_loss",
];

/// Runs all three; any finding is an error.
///
/// # Errors
/// A finding, told above by the tool that made it.
pub fn run() -> Result<()> {
    run::check(run::cargo().args(["fmt", "--all", "--check"]))?;
    run::check(run::cargo().args([
        "clippy",
        "--workspace",
        "--exclude",
        "numatrace-ebpf",
        "--all-targets",
        "--",
        "-Dwarnings",
    ]))?;
    // The kernel side builds `core` itself and sees another architecture: as numatrace/build.rs does it.
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
