//! A guest's disks: one brings back its `/artifacts`, one is its ext4 file system at `/data`.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::qemu;
use crate::run;

/// Size of the disk that brings artifacts back; it is sparse on the host.
const ARTIFACT_BYTES: u64 = 512 << 20;
/// Size of the ext4 disk at /data: more than a node's memory, so that page cache can fill one.
const DATA_BYTES: u64 = 1 << 30;

/// The disks of a guest, as namespaces of one NVMe controller: the one block driver that every
/// cloud kernel has built in.
pub struct Disks {
    artifacts: PathBuf,
    data: Option<PathBuf>,
}

impl Disks {
    /// Makes the images in `folder`, with the scratch file system when `data` is set.
    ///
    /// # Errors
    /// No space, or no mke2fs.
    pub fn make(folder: &Path, data: bool) -> Result<Self> {
        let artifacts = folder.join("artifacts.img");
        File::create(&artifacts)?.set_len(ARTIFACT_BYTES)?;
        let data = data.then(|| folder.join("data.img"));
        if let Some(image) = &data {
            File::create(image)?.set_len(DATA_BYTES)?;
            let mut make = qemu::mke2fs()?;
            run::capture(make.args(["-q", "-F", "-t", "ext4"]).arg(image))?;
        }
        Ok(Self { artifacts, data })
    }

    /// Adds QEMU's arguments that attach them.
    pub fn arguments(&self, command: &mut Command) {
        command.args(["-device", "nvme,id=disks,serial=lab"]);
        for (id, image) in [Some(&self.artifacts), self.data.as_ref()]
            .into_iter()
            .flatten()
            .enumerate()
        {
            let drive = format!(
                "if=none,id=d{id},format=raw,cache=unsafe,file={}",
                image.display()
            );
            command.args([
                "-drive",
                &drive,
                "-device",
                &format!("nvme-ns,drive=d{id},bus=disks,nsid={}", id + 1),
            ]);
        }
    }

    /// Unpacks the tar archive that the guest wrote to the raw disk; an untouched disk is an empty
    /// archive.
    ///
    /// # Errors
    /// The archive is truncated, or the folder cannot be written.
    pub fn take_artifacts(&self, to: &Path) -> Result<()> {
        fs::create_dir_all(to)?;
        let mut tar = Command::new("tar");
        tar.arg("--extract")
            .arg("--file")
            .arg(&self.artifacts)
            .args(["--no-same-owner", "--directory"])
            .arg(to);
        run::capture(&mut tar)
            .with_context(|| format!("cannot take the guest's artifacts to {}", to.display()))?;
        Ok(())
    }
}
