//! Runs other programs. A failure to start names the program to install; a failure names the
//! command.

use std::{
    ffi::OsStr,
    process::{Command, ExitStatus, Output, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// Returns a cargo of the toolchain that runs this command, free of flags meant for a different
/// build.
#[must_use]
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // A caller sets these for its own target: they would rebuild everything here, or break the eBPF
    // target.
    command.env_remove("CARGO_ENCODED_RUSTFLAGS");
    command.current_dir(crate::workspace::root());
    command
}

/// Runs a command to the end, with stdout and stderr passed through.
///
/// # Errors
/// The program could not be started.
pub fn status(command: &mut Command) -> Result<ExitStatus> {
    command
        .stdin(Stdio::null())
        .status()
        .with_context(|| cannot_start(command))
}

/// Runs a command to the end; any status but 0 is an error that names the command.
///
/// # Errors
/// The program could not be started or failed.
pub fn check(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    if !status.success() {
        bail!("{} failed: {status}", shown(command));
    }
    Ok(())
}

/// Runs a command to the end and returns its stdout; its stderr goes into the error.
///
/// # Errors
/// The program could not be started or failed, or printed something that is not UTF-8.
pub fn capture(command: &mut Command) -> Result<String> {
    let output = output(command)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{} failed: {}\n{}",
            shown(command),
            output.status,
            said.trim_end()
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("{} printed no text", shown(command)))
}

/// Runs a command to the end and returns everything, whatever the status.
///
/// # Errors
/// The program could not be started.
pub fn output(command: &mut Command) -> Result<Output> {
    command
        .stdin(Stdio::null())
        .output()
        .with_context(|| cannot_start(command))
}

/// Returns whether a program of that name is on `PATH`.
#[must_use]
pub fn on_path(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

/// Returns the command as a person would type it.
#[must_use]
pub fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

fn cannot_start(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    format!("cannot start {program}; is it installed and on PATH?")
}
