//! `cargo xtask trace`: builds numatrace and traces this machine; only the tracing runs as root.

use std::{os::unix::process::CommandExt as _, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::{build, run};

/// Builds numatrace, then becomes `numatrace trace ARGS`, through sudo when this user is not root.
///
/// # Errors
/// numatrace did not build, or could not be started. On success this does not return.
pub fn run(arguments: &[String]) -> Result<()> {
    let mut build = run::cargo();
    let built =
        build::executables(build.args(["build", "--release", "--package", "numatrace", "--bins"]))?;
    let numatrace = built
        .into_iter()
        .find(|e| e.name == "numatrace")
        .context("cargo built no `numatrace`")?;
    let mut command = if nix::unistd::geteuid().is_root() {
        Command::new(&numatrace.path)
    } else if run::on_path("sudo") {
        let mut sudo = Command::new("sudo");
        sudo.arg("--").arg(&numatrace.path);
        sudo
    } else {
        bail!(
            "tracing needs root and there is no sudo; as root: {} trace",
            numatrace.path.display()
        );
    };
    let failed = command.arg("trace").args(arguments).exec();
    Err(failed).with_context(|| format!("cannot start {}", run::shown(&command)))
}
