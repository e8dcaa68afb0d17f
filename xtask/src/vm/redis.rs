//! redis-server for guests, with the libraries it needs: a program that people really run, for the
//! tests of public reports.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::initramfs::Put;
use crate::{debian::Mirror, run, workspace};

/// Suite of the package: its C library is newer than that of any machine that runs the lab.
const SUITE: &str = "trixie";
/// Folder of its own in a guest, so that its C library is not taken for that of numastat.
const HOME: &str = "/opt/redis";
const LOADER: &str = "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2";

/// Returns the server, its loader and its libraries as files for a guest, below `/opt/redis`;
/// downloads them once.
///
/// # Errors
/// The mirror has none, or its libraries cannot be listed.
pub fn files() -> Result<Vec<Put>> {
    let tree = workspace::lab().join("redis-guest");
    if !tree.exists() {
        let mirror = Mirror::open()?;
        let fresh = tempfile::tempdir_in(workspace::lab())?;
        mirror.unpack_whole("redis-server", SUITE, fresh.path())?;
        fs::rename(fresh.keep(), &tree)?;
    }
    let server = fs::canonicalize(tree.join("usr/bin/redis-server"))
        .context("the package has no redis-server")?;
    let loader = tree.join(LOADER);
    let mut files = vec![put(&server, "redis-server"), put(&loader, "ld.so")];
    // The loader prints `NAME => PATH (ADDRESS)` for each library.
    let listed = run::capture(
        Command::new(&loader)
            .arg("--library-path")
            .arg(tree.join("usr/lib/x86_64-linux-gnu"))
            .arg("--list")
            .arg(&server),
    )?;
    for line in listed.lines() {
        let Some((name, rest)) = line.trim().split_once(" => ") else {
            continue;
        };
        // The loader's own line has a path for a name: a guest's loader belongs to other programs.
        if name.starts_with('/') {
            continue;
        }
        let path = rest.split(" (").next().unwrap_or_default();
        files.push(put(Path::new(path), name));
    }
    Ok(files)
}

fn put(from: &Path, name: &str) -> Put {
    Put {
        from: from.to_owned(),
        to: PathBuf::from(HOME).join(name),
    }
}
