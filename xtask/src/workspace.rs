//! The workspace, its `target` folder, and the folders in it that the project's tools fill.

use std::{
    env,
    path::{Path, PathBuf},
};

/// Returns the workspace's root: the parent of this crate.
#[must_use]
pub fn root() -> PathBuf {
    let manifest =
        env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let manifest = PathBuf::from(manifest);
    manifest
        .parent()
        .map_or(manifest.clone(), Path::to_path_buf)
}

/// Returns `target` in the workspace. Tools and downloads stay there even when `CARGO_TARGET_DIR`
/// sends builds elsewhere.
#[must_use]
pub fn target() -> PathBuf {
    root().join("target")
}

/// Returns the folder of tools that the project builds for itself (`bin/bpf-linker`,
/// `bin/cargo-deny`).
#[must_use]
pub fn tools() -> PathBuf {
    target().join("tools")
}

/// Returns the folder of the virtual-machine lab's downloads: kernels, QEMU, package lists.
#[must_use]
pub fn lab() -> PathBuf {
    target().join("lab")
}
