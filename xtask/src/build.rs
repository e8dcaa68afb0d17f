//! Builds binaries with cargo and finds where it put them.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::{run, toolchain::Toolchain, vm::initramfs::Put, workspace};

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
    /// Its path.
    pub path: PathBuf,
}

/// The test programs of numatrace-tests that trace, one for each tier that does.
pub const TESTS: [&str; 2] = ["host", "kernel"];
/// The programs in every guest's PATH, each by its name and its name there.
pub const FOR_GUESTS: [(&str, &str); 2] = [("numatrace", "numatrace"), ("workload", "workload")];

/// Copies of programs, which stay as they are when another command of this checkout builds them
/// anew: a linker at work leaves a file that cannot be run. They are removed on drop.
pub struct Programs {
    folder: PathBuf,
    executables: Vec<Executable>,
}

impl Programs {
    /// Copies what `build` returns. Only one command of the checkout builds and copies at a time.
    fn copy(build: impl FnOnce() -> Result<Vec<Executable>>) -> Result<Self> {
        let all = workspace::lab().join("programs");
        fs::create_dir_all(&all).with_context(|| format!("cannot make {}", all.display()))?;
        let lock = File::create(all.join("lock"))?;
        lock.lock().context("cannot lock target/lab/programs")?;
        let built = build()?;
        remove_left_behind(&all)?;
        let mut programs = Self {
            folder: all.join(std::process::id().to_string()),
            executables: Vec::new(),
        };
        fs::create_dir_all(&programs.folder)?;
        for executable in built {
            let path = programs.folder.join(&executable.name);
            fs::copy(&executable.path, &path)
                .with_context(|| format!("cannot copy {}", executable.path.display()))?;
            programs.executables.push(Executable { path, ..executable });
        }
        Ok(programs)
    }

    /// Returns the path of a program by name.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn path(&self, name: &str) -> Result<&Path> {
        let found = self.executables.iter().find(|e| e.name == name);
        let found = found.with_context(|| format!("cargo built no `{name}`"))?;
        Ok(&found.path)
    }

    /// Returns programs as files for a guest's `/usr/local/bin`, each by its name and its name
    /// there.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn put(&self, names: &[(&str, &str)]) -> Result<Vec<Put>> {
        let put = |(name, there): &(&str, &str)| {
            Ok(Put {
                from: self.path(name)?.to_owned(),
                to: Path::new("/usr/local/bin").join(there),
            })
        };
        names.iter().map(put).collect()
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        // The next command removes what is left.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Removes the copies of commands that were killed: their folders have the ids of processes that
/// are gone.
fn remove_left_behind(all: &Path) -> Result<()> {
    for entry in fs::read_dir(all)? {
        let entry = entry?;
        let is_folder = entry.file_type()?.is_dir();
        if is_folder && !Path::new("/proc").join(entry.file_name()).exists() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Builds the static, optimised programs of the tracer and of the tests: `numatrace`, `workload`,
/// `host`, `kernel`.
///
/// Always all of them: with fewer targets cargo would choose different features of the
/// dependencies, and build those again.
///
/// # Errors
/// They do not build.
pub fn static_programs(toolchain: &Toolchain) -> Result<Programs> {
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
    Programs::copy(|| executables(&mut command))
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
        let message = message.context("cargo's messages do not parse")?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_killed_commands_are_removed_and_no_others() {
        let all = tempfile::tempdir().unwrap();
        let alive = std::process::id().to_string();
        // Beyond the largest pid of any kernel.
        for folder in [alive.as_str(), "4194305"] {
            fs::create_dir(all.path().join(folder)).unwrap();
            fs::write(all.path().join(folder).join("numatrace"), "").unwrap();
        }
        fs::write(all.path().join("lock"), "").unwrap();
        remove_left_behind(all.path()).unwrap();
        assert!(all.path().join(alive).exists() && all.path().join("lock").exists());
        assert!(!all.path().join("4194305").exists());
    }
}
