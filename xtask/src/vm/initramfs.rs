//! A guest's root file system: busybox, the binaries under test, one command, as an uncompressed
//! cpio archive.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use cpio::newc::{Builder, ModeFileType, trailer};

use crate::{
    debian::{Mirror, digits},
    workspace,
};

const INIT: &str = include_str!("init.sh");
/// A user without rights, for tests that run as somebody else.
const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n";
const GROUP: &str = "root:x:0:\nnogroup:x:65534:\n";
/// Folders that are mount points or work places; those of files are made with the files.
const FOLDERS: [&str; 8] = [
    "artifacts",
    "data",
    "dev",
    "proc",
    "root",
    "run",
    "sys",
    "tmp",
];

/// A file of the host that the guest gets.
#[derive(Clone, Debug)]
pub struct Put {
    /// On the host.
    pub from: PathBuf,
    /// In the guest, absolute.
    pub to: PathBuf,
}

/// Writes the archive: init, busybox, `files`, and `command` as the script that init runs.
///
/// # Errors
/// A file cannot be read, the archive cannot be written, or busybox cannot be had.
pub fn write(archive: &Path, command: &str, files: &[Put]) -> Result<()> {
    let mut image = Image {
        out: BufWriter::new(File::create(archive)?),
        made: BTreeSet::new(),
        inode: 1,
    };
    for folder in FOLDERS {
        image.folders(Path::new(folder))?;
    }
    image.file("init", 0o755, INIT.as_bytes())?;
    image.file("lab/command", 0o755, command.as_bytes())?;
    image.file("etc/passwd", 0o644, PASSWD.as_bytes())?;
    image.file("etc/group", 0o644, GROUP.as_bytes())?;
    image.file("bin/busybox", 0o755, &fs::read(busybox()?)?)?;
    for put in files {
        let content =
            fs::read(&put.from).with_context(|| format!("cannot read {}", put.from.display()))?;
        let mode = fs::metadata(&put.from)?.permissions().mode() & 0o7777;
        let to = put
            .to
            .strip_prefix("/")
            .unwrap_or(&put.to)
            .to_string_lossy()
            .into_owned();
        image.file(&to, mode, &content)?;
    }
    trailer(image.out)?.flush()?;
    Ok(())
}

struct Image {
    out: BufWriter<File>,
    made: BTreeSet<PathBuf>,
    inode: u32,
}

impl Image {
    fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<()> {
        if let Some(parent) = Path::new(path).parent() {
            self.folders(parent)?;
        }
        let entry = self
            .entry(path, mode)
            .set_mode_file_type(ModeFileType::Regular);
        let size = u32::try_from(content.len())
            .with_context(|| format!("{path} is too large for an initramfs"))?;
        let mut out = entry.write(&mut self.out, size);
        out.write_all(content)?;
        out.finish()?;
        Ok(())
    }

    fn folders(&mut self, path: &Path) -> io::Result<()> {
        let mut above: Vec<_> = path
            .ancestors()
            .filter(|p| !p.as_os_str().is_empty())
            .collect();
        above.reverse();
        for folder in above {
            if self.made.insert(folder.to_owned()) {
                let entry = self
                    .entry(&folder.to_string_lossy(), 0o755)
                    .set_mode_file_type(ModeFileType::Directory);
                entry.write(&mut self.out, 0).finish()?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, path: &str, mode: u32) -> Builder {
        self.inode += 1;
        Builder::new(path).ino(self.inode).nlink(1).mode(mode)
    }
}

/// Returns Debian's static busybox, cached.
fn busybox() -> Result<PathBuf> {
    let cached = workspace::lab().join("busybox");
    if cached.exists() {
        return Ok(cached);
    }
    let mirror = Mirror::open()?;
    if cached.exists() {
        return Ok(cached);
    }
    let newest = mirror
        .find(|name| name == "busybox-static")?
        .into_iter()
        .max_by_key(|p| digits(&p.version));
    let newest = newest.context("the mirror has no busybox-static")?;
    let unpacked = tempfile::tempdir_in(workspace::lab())?;
    mirror.unpack(&newest, unpacked.path())?;
    let places = ["usr/bin/busybox", "bin/busybox"].map(|place| unpacked.path().join(place));
    let binary = places
        .into_iter()
        .find(|p| p.exists())
        .context("busybox-static holds no busybox")?;
    fs::rename(binary, &cached)?;
    Ok(cached)
}
