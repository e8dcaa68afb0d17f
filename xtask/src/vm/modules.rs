//! Kernel modules for guests, out of the tree of a Debian package: those named here and what they
//! depend on, unpacked, in files that sort in the order of loading.

use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use liblzma::read::XzDecoder;
use object::{Object as _, ObjectSection as _};

use super::initramfs::Put;
use crate::workspace;

/// Loaded by init before it looks for its disks.
const EARLY: &str = "early";

/// Folders of modules, each with its modules in the order of loading. Those that a kernel has built
/// in, or does not have, are left out.
const SETS: [(&str, &[&str]); 3] = [
    // Without its checksum ext4 mounts nothing, and asks for it by a name that only modprobe knows.
    (EARLY, &["crc32c_generic", "nvme", "ext4"]),
    // The compressor as well, for the same reason.
    ("zram", &["lzo_rle", "zram"]),
    // A driver whose device takes addresses below 4 GiB only, which QEMU's machine has.
    ("ata", &["ata_piix"]),
];

/// Returns whether `place` has a folder for each set: an older lab kept fewer.
#[must_use]
pub fn are_kept(place: &Path) -> bool {
    SETS.iter().all(|(set, _)| place.join(set).is_dir())
}

/// Keeps the modules of an unpacked package at `place`, a folder for each set.
///
/// # Errors
/// A module cannot be read or unpacked, or `place` not written.
pub fn keep(package: &Path, place: &Path) -> Result<()> {
    let mut tree = Tree::default();
    for root in ["usr/lib/modules", "lib/modules"] {
        let root = package.join(root);
        if root.is_dir() {
            tree.add(&root)?;
        }
    }
    let fresh = tempfile::tempdir_in(workspace::lab())?;
    for (set, names) in SETS {
        let folder = fresh.path().join(set);
        fs::create_dir(&folder)?;
        let mut order = Vec::new();
        for name in names {
            tree.with_dependencies(name, &mut order)?;
        }
        for (at, (name, content)) in order.iter().enumerate() {
            fs::write(folder.join(format!("{at:02}-{name}.ko")), content)?;
        }
    }
    if let Some(above) = place.parent() {
        fs::create_dir_all(above)?;
    }
    if place.exists() {
        fs::remove_dir_all(place)?;
    }
    fs::rename(fresh.keep(), place).with_context(|| format!("cannot keep {}", place.display()))
}

/// Returns the kept modules as files of a guest, under `/lab/modules`.
///
/// # Errors
/// `kept` cannot be read.
pub fn put(kept: &Path) -> Result<Vec<Put>> {
    let mut files = Vec::new();
    for (set, _) in SETS {
        for entry in fs::read_dir(kept.join(set))? {
            let from = entry?.path();
            let name = from.file_name().context("a module without a name")?;
            let to = Path::new("/lab/modules").join(set).join(name);
            files.push(Put { from, to });
        }
    }
    Ok(files)
}

/// Files of modules by the names that dependencies have.
#[derive(Default)]
struct Tree(BTreeMap<String, PathBuf>);

impl Tree {
    fn add(&mut self, folder: &Path) -> Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            // A link to a folder leads out of the tree, to the sources.
            if entry.file_type()?.is_dir() {
                self.add(&path)?;
            } else if let Some(name) = name_of(&path) {
                self.0.insert(name, path);
            }
        }
        Ok(())
    }

    /// Adds a module behind those that it depends on, unless it is there already.
    fn with_dependencies(&self, name: &str, order: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
        if order.iter().any(|(there, _)| there == name) {
            return Ok(());
        }
        let Some(path) = self.0.get(name) else {
            return Ok(());
        };
        let content = content_of(path)
            .with_context(|| format!("cannot read the module {}", path.display()))?;
        for dependency in dependencies(&content)? {
            self.with_dependencies(&dependency, order)?;
        }
        order.push((name.to_owned(), content));
        Ok(())
    }
}

/// Returns the name of a module's file, `nvme_core` of `nvme-core.ko.xz`.
fn name_of(path: &Path) -> Option<String> {
    let file = path.file_name()?.to_str()?;
    let name = file
        .strip_suffix(".xz")
        .unwrap_or(file)
        .strip_suffix(".ko")?;
    Some(name.replace('-', "_"))
}

fn content_of(path: &Path) -> Result<Vec<u8>> {
    let content = fs::read(path)?;
    if path.extension().is_none_or(|ending| ending != "xz") {
        return Ok(content);
    }
    let mut module = Vec::new();
    XzDecoder::new(content.as_slice()).read_to_end(&mut module)?;
    Ok(module)
}

/// Returns the modules that one needs: `depends=a,b` among the strings of its section `.modinfo`.
fn dependencies(module: &[u8]) -> Result<Vec<String>> {
    let file = object::File::parse(module)?;
    let section = file.section_by_name(".modinfo");
    let about = section.context("no .modinfo")?;
    Ok(depends(about.data()?))
}

fn depends(about: &[u8]) -> Vec<String> {
    let strings = about.split(|byte| *byte == 0);
    let mut lists = strings.filter_map(|string| string.strip_prefix(b"depends="));
    let list = String::from_utf8_lossy(lists.next().unwrap_or_default()).into_owned();
    let names = list.split(',').filter(|name| !name.is_empty());
    names.map(|name| name.replace('-', "_")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_known_by_its_files_name() {
        let name = |path: &str| name_of(Path::new(path));
        assert_eq!(name("kernel/nvme-core.ko.xz"), Some("nvme_core".to_owned()));
        assert_eq!(name("kernel/zram.ko"), Some("zram".to_owned()));
        assert_eq!(name("modules.order"), None);
    }

    #[test]
    fn dependencies_are_listed_in_modinfo() {
        let about = b"license=GPL\0depends=zsmalloc,lzo-compress\0name=zram\0";
        assert_eq!(depends(about), ["zsmalloc", "lzo_compress"]);
        assert!(depends(b"depends=\0name=zsmalloc\0").is_empty());
        assert!(depends(b"").is_empty());
    }
}
