//! `cargo xtask dist`: one static stripped binary at `target/dist/numatrace`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use object::{
    Endianness,
    elf::PT_INTERP,
    read::elf::{ElfFile64, ProgramHeader as _},
};

use crate::{build, run, toolchain::Toolchain, workspace};

/// Builds the binary and returns its path.
///
/// # Errors
/// The binary did not build, or needs a dynamic loader.
pub fn run(toolchain: &Toolchain) -> Result<PathBuf> {
    let mut cargo = run::cargo();
    cargo.args(["build", "--release", "--package", "numatrace", "--bins"]);
    toolchain.static_target.apply(&mut cargo, &[]);
    let built = build::executables(&mut cargo)?;
    let numatrace = built
        .into_iter()
        .find(|e| e.name == "numatrace")
        .context("cargo built no `numatrace`")?;
    let folder = workspace::target().join("dist");
    fs::create_dir_all(&folder)?;
    let to = folder.join("numatrace");
    run::check(
        Command::new("strip")
            .arg("-o")
            .arg(&to)
            .arg(&numatrace.path),
    )?;
    ensure!(
        is_static(&to)?,
        "{} needs a dynamic loader; build on a machine with the musl target",
        to.display()
    );
    Ok(to)
}

/// Returns whether a program runs without a dynamic loader, and so in a bare initramfs.
fn is_static(program: &Path) -> Result<bool> {
    let bytes = fs::read(program)?;
    let file = ElfFile64::<Endianness>::parse(bytes.as_slice())
        .context("the binary is no 64-bit ELF file")?;
    let endian = file.endian();
    Ok(!file
        .elf_program_headers()
        .iter()
        .any(|header| header.p_type(endian) == PT_INTERP))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_of_the_system_is_not_static() {
        let this = std::env::current_exe().unwrap();
        assert!(
            !is_static(&this).unwrap(),
            "test programs are built for the host, with its loader"
        );
        assert!(is_static(Path::new("/etc/os-release")).is_err());
    }
}
