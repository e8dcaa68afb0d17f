//! QEMU: the system's when it is new enough, else Debian's, unpacked into the lab with the
//! libraries it needs.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, ensure};

use crate::{debian::Mirror, run, workspace};

const PROGRAM: &str = "qemu-system-x86_64";
/// 7.2 panics guests when the kernel patches its text (attaching fentry does) and corrupts flags
/// after cmpxchg16b.
const OLDEST: u32 = 9;
/// The unpacked tree's shared libraries.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";

/// A QEMU that runs the lab's guests.
pub struct Qemu {
    /// The root of the unpacked tree; none for the system's.
    tree: Option<PathBuf>,
}

impl Qemu {
    /// Finds a QEMU, or downloads it.
    ///
    /// # Errors
    /// The mirror has none that is new enough, or it does not start.
    pub fn get() -> Result<Self> {
        let system = Self { tree: None };
        if system.version().is_some_and(|major| major >= OLDEST) {
            return Ok(system);
        }
        let tree = workspace::lab().join("qemu");
        let unpacked = Self {
            tree: Some(tree.clone()),
        };
        if unpacked.version().is_some_and(|major| major >= OLDEST) {
            return Ok(unpacked);
        }
        let recent = || unpacked.version().is_some_and(|major| major >= OLDEST);
        unpack("qemu-system-x86", &tree, recent)?;
        let major = unpacked.version();
        ensure!(
            major.is_some_and(|major| major >= OLDEST),
            "the mirror's QEMU does not start or is older than {OLDEST}; \
             install a newer qemu-system-x86"
        );
        Ok(unpacked)
    }

    /// Returns a command line with everything that does not depend on the guest.
    #[must_use]
    pub fn command(&self) -> Command {
        let Some(tree) = &self.tree else {
            return Command::new(PROGRAM);
        };
        let mut command = in_tree(tree, &format!("usr/bin/{PROGRAM}"));
        command.env("QEMU_MODULE_DIR", tree.join(LIBRARIES).join("qemu"));
        for data in ["usr/share/qemu", "usr/share/seabios"] {
            command.arg("-L").arg(tree.join(data));
        }
        command
    }

    fn version(&self) -> Option<u32> {
        let text = run::capture(self.command().arg("--version")).ok()?;
        parse_version(&text)
    }
}

/// Returns `mke2fs` of the system or of the lab, to make guests an ext4 disk.
///
/// # Errors
/// The mirror's does not unpack.
pub fn mke2fs() -> Result<Command> {
    for place in ["/usr/sbin/mke2fs", "/sbin/mke2fs"] {
        if Path::new(place).exists() {
            return Ok(Command::new(place));
        }
    }
    let tree = workspace::lab().join("e2fsprogs");
    if !tree.exists() {
        unpack("e2fsprogs", &tree, || tree.exists())?;
    }
    let program = if tree.join("usr/sbin/mke2fs").exists() {
        "usr/sbin/mke2fs"
    } else {
        "sbin/mke2fs"
    };
    Ok(in_tree(&tree, program))
}

/// Unpacks into a fresh folder and renames it, so that an interrupted download leaves nothing half
/// done. `done` returns whether another process did it while this one waited for the mirror.
fn unpack(package: &str, tree: &Path, done: impl Fn() -> bool) -> Result<()> {
    let mirror = Mirror::open()?;
    if done() {
        return Ok(());
    }
    let fresh = tempfile::tempdir_in(workspace::lab())?;
    mirror.unpack_with_libraries(package, fresh.path())?;
    if tree.exists() {
        fs::remove_dir_all(tree)?;
    }
    fs::rename(fresh.keep(), tree)?;
    Ok(())
}

/// Returns a program of an unpacked tree, with the tree's libraries before the system's.
fn in_tree(tree: &Path, program: &str) -> Command {
    let mut command = Command::new(tree.join(program));
    let mut libraries = OsString::from(tree.join(LIBRARIES));
    libraries.push(":");
    libraries.push(tree.join("lib/x86_64-linux-gnu"));
    command.env("LD_LIBRARY_PATH", libraries);
    command
}

/// Returns the major version in `QEMU emulator version 10.0.2 (Debian …)`.
fn parse_version(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("version ")?;
    rest.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_its_first_line() {
        assert_eq!(
            parse_version("QEMU emulator version 10.0.2 (Debian 1:10.0.2)\nCopyright"),
            Some(10)
        );
        assert_eq!(parse_version("not QEMU"), None);
    }
}
