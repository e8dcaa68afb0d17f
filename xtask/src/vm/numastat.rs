//! Debian's programs for guests: numactl's, and those of coreutils that fixes use and busybox has
//! with fewer options; numastat also for the host tier. With the libraries they need, the newest
//! that the mirror has.
//!
//! Everything else in a guest is static, so a loader and a library of any version disturb nothing.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::initramfs::Put;
use crate::{
    debian::{Mirror, digits},
    workspace,
};

/// The program in numactl's package.
const PROGRAM: &str = "usr/bin/numastat";
/// Further programs, which fixes of findings use, by the place in a guest.
const FOR_FIXES: [&str; 4] = [
    "usr/bin/numactl",
    "usr/bin/migratepages",
    "usr/bin/dd",
    "usr/bin/sync",
];
/// The packages to unpack.
const PACKAGES: [&str; 4] = ["numactl", "coreutils", "libnuma1", "libc6"];
/// The path of each library in a guest, and its paths in the packages by suite.
const LIBRARIES: [(&str, [&str; 2]); 3] = [
    (
        "/lib64/ld-linux-x86-64.so.2",
        [
            "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
            "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
        ],
    ),
    (
        "/lib/x86_64-linux-gnu/libc.so.6",
        [
            "usr/lib/x86_64-linux-gnu/libc.so.6",
            "lib/x86_64-linux-gnu/libc.so.6",
        ],
    ),
    (
        "/lib/x86_64-linux-gnu/libnuma.so.1",
        [
            "usr/lib/x86_64-linux-gnu/libnuma.so.1",
            "lib/x86_64-linux-gnu/libnuma.so.1",
        ],
    ),
];

/// The folder of the unpacked packages.
fn tree() -> PathBuf {
    workspace::lab().join("fixes")
}

/// Returns the programs and their libraries as files for a guest; downloads them once.
///
/// # Errors
/// The mirror has none, or packs them differently.
pub fn files() -> Result<Vec<Put>> {
    let tree = tree();
    if !tree.exists() {
        fetch(&tree)?;
    }
    let programs = std::iter::once(PROGRAM).chain(FOR_FIXES);
    let mut files = programs
        .map(|program| {
            // Older suites have some of them in /bin.
            let older = program.trim_start_matches("usr/");
            let places = [program, older].map(|place| tree.join(place));
            let from = places.into_iter().find(|place| place.exists());
            Ok(Put {
                from: from.with_context(|| format!("no package has {program}"))?,
                to: PathBuf::from("/").join(program),
            })
        })
        .collect::<Result<Vec<Put>>>()?;
    for (to, places) in LIBRARIES {
        let from = places
            .into_iter()
            .map(|place| tree.join(place))
            .find(|p| p.exists());
        files.push(Put {
            from: from.with_context(|| format!("no package has {to}"))?,
            to: PathBuf::from(to),
        });
    }
    Ok(files)
}

/// Returns numastat for this machine: a script that starts it with its own loader and library,
/// since the machine's may be older.
///
/// # Errors
/// The mirror has none, or the script cannot be written.
pub fn script() -> Result<PathBuf> {
    let files = files()?;
    let from = |to: &str| {
        let put = files.iter().find(|put| put.to == Path::new(to));
        put.map(|put| put.from.clone())
            .with_context(|| format!("no {to}"))
    };
    // numastat itself needs no libnuma.
    let [loader, library, _] = LIBRARIES.map(|(to, _)| from(to));
    let (loader, library, program) = (loader?, library?, from(&format!("/{PROGRAM}"))?);
    let folder = library.parent().context("a library lies in a folder")?;
    let script = tree().join("numastat.sh");
    let text = format!(
        "#!/bin/sh\nexec '{}' --library-path '{}' '{}' \"$@\"\n",
        loader.display(),
        folder.display(),
        program.display()
    );
    fs::write(&script, text).with_context(|| format!("cannot write {}", script.display()))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    Ok(script)
}

/// Unpacks the packages into a fresh folder and renames it, so that an interrupted download leaves
/// nothing half done.
fn fetch(tree: &Path) -> Result<()> {
    let mirror = Mirror::open()?;
    if tree.exists() {
        return Ok(());
    }
    let fresh = tempfile::tempdir_in(workspace::lab())?;
    for name in PACKAGES {
        let newest = mirror
            .find(|found| found == name)?
            .into_iter()
            .max_by_key(|package| digits(&package.version));
        let newest = newest.with_context(|| format!("the mirror has no {name}"))?;
        mirror.unpack(&newest, fresh.path())?;
    }
    fs::rename(fresh.keep(), tree)?;
    Ok(())
}
