//! Builds binaries with cargo and finds where it put them.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::{run, toolchain::Toolchain, vm::initramfs::Put};

/// A line of `cargo build --message-format json` about something it built.
#[derive(Deserialize)]
struct Message {
    reason: String,
    target: Option<Target>,
    executable: Option<PathBuf>,
    message: Option<Diagnostic>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Diagnostic {
    rendered: Option<String>,
}

/// A program that cargo built.
#[derive(Clone, Debug)]
pub struct Executable {
    /// Its target's name.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

/// The test programs of numatrace-tests that trace, one for each tier that does.
pub const TESTS: [&str; 2] = ["host", "kernel"];
/// The programs in a guest's PATH.
const FOR_GUESTS: [&str; 2] = ["numatrace", "workload"];

/// Builds the static, optimised programs of the tracer and of the tests: `numatrace`, `workload`,
/// `host`, `kernel`.
///
/// Always all of them: with fewer targets cargo would choose different features of the
/// dependencies, and build those again.
///
/// # Errors
/// They do not build.
pub fn static_programs(toolchain: &Toolchain) -> Result<Vec<Executable>> {
    let mut command = run::cargo();
    command.args([
        "build",
        "--profile",
        "lab",
        "--package",
        "numatrace",
        "--package",
        "numatrace-tests",
        "--bins",
    ]);
    for test in TESTS {
        command.args(["--test", test]);
    }
    // The stacks of workloads are to be whole, whatever the compiler inlines.
    let flags = ["-C", "force-frame-pointers=yes"];
    toolchain.static_target.apply(&mut command, &flags);
    executables(&mut command)
}

/// Returns `numatrace` and `workload` as files for a guest's `/usr/local/bin`.
///
/// # Errors
/// They do not build.
pub fn for_guests(toolchain: &Toolchain) -> Result<Vec<Put>> {
    let programs = static_programs(toolchain)?
        .into_iter()
        .filter(|e| FOR_GUESTS.contains(&e.name.as_str()));
    let put = |e: Executable| Put {
        to: PathBuf::from("/usr/local/bin").join(&e.name),
        from: e.path,
    };
    Ok(programs.map(put).collect())
}

/// Runs a cargo command that builds, with its progress on stderr, and returns the programs that it
/// made.
///
/// # Errors
/// The build failed; cargo has printed the reason.
pub fn executables(cargo: &mut Command) -> Result<Vec<Executable>> {
    cargo.args(["--message-format", "json-render-diagnostics"]);
    let mut child = cargo
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start cargo")?;
    let messages = child.stdout.take().context("no pipe from cargo")?;
    let mut found = Vec::new();
    for message in serde_json::Deserializer::from_reader(std::io::BufReader::new(messages))
        .into_iter::<Message>()
    {
        let message = message.context("cargo's messages are not what they were")?;
        if let Some(text) = message.message.and_then(|m| m.rendered) {
            eprint!("{text}");
        }
        if let ("compiler-artifact", Some(target), Some(path)) =
            (message.reason.as_str(), message.target, message.executable)
        {
            found.push(Executable {
                name: target.name,
                path,
            });
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("the build failed; cargo's messages are above");
    }
    Ok(found)
}
