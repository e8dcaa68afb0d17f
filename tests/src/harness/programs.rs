//! Finds the programs under test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// Returns the path of numatrace: `NUMATRACE_BIN`, else what cargo builds (so that it is never
/// older than its source), else the one next to the test program.
///
/// # Errors
/// There is none.
pub fn numatrace() -> Result<PathBuf> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        find("NUMATRACE_BIN", "numatrace", "numatrace").map_err(|error| format!("{error:#}"))
    });
    found.clone().map_err(anyhow::Error::msg)
}

/// Returns the path of the workload: `NUMATRACE_WORKLOAD`, else as [`numatrace`].
///
/// # Errors
/// There is none.
pub fn workload() -> Result<PathBuf> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        find("NUMATRACE_WORKLOAD", "numatrace-tests", "workload")
            .map_err(|error| format!("{error:#}"))
    });
    found.clone().map_err(anyhow::Error::msg)
}

/// Returns whether a program is in a folder of `PATH`.
#[must_use]
pub fn is_installed(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}

fn find(variable: &str, package: &str, binary: &str) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        let path = PathBuf::from(path);
        ensure!(
            path.is_file(),
            "{variable} names {}, which is no file",
            path.display()
        );
        return Ok(path);
    }
    if let Some(cargo) = std::env::var_os("CARGO") {
        return build(Path::new(&cargo), package, binary);
    }
    let test = std::env::current_exe()?;
    let folder = test
        .parent()
        .and_then(Path::parent)
        .context("the test lies at no such depth")?;
    let path = folder.join(binary);
    ensure!(
        path.is_file(),
        "no {}; build it by cargo build -p {package}, or name it in {variable}",
        path.display()
    );
    Ok(path)
}

/// Builds a program in the profile of the test, and returns the path that cargo reports.
fn build(cargo: &Path, package: &str, binary: &str) -> Result<PathBuf> {
    let mut command = Command::new(cargo);
    command.args([
        "build",
        "--quiet",
        "--message-format",
        "json-render-diagnostics",
        "-p",
        package,
        "--bin",
        binary,
    ]);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let built = command.output().context("cannot run cargo")?;
    ensure!(
        built.status.success(),
        "cannot build {binary}: {}",
        String::from_utf8_lossy(&built.stderr)
    );
    for line in built.stdout.split(|byte| *byte == b'\n') {
        let Ok(message) = serde_json::from_slice::<Value>(line) else {
            continue;
        };
        if message["target"]["name"] == binary
            && let Some(path) = message["executable"].as_str()
        {
            return Ok(path.into());
        }
    }
    bail!("cargo built {binary} and did not say where")
}
