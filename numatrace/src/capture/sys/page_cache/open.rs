//! Opens a file that somebody named, and says why it has no page cache to show.

use std::{
    fs::{File, OpenOptions},
    io,
    os::{
        fd::{AsFd, AsRawFd},
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::Path,
};

use nix::sys::statfs::{HUGETLBFS_MAGIC, TMPFS_MAGIC, fstatfs};

use crate::capture::sys::mounts;

/// The reason for which a file's page cache is not known.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// No such file.
    #[error("no such file; an interval and a count stand before --file")]
    Missing,
    /// A directory.
    #[error("a directory; name the files in it, such as --file DIR/*")]
    Directory,
    /// A FIFO, socket or device.
    #[error("no regular file; only these have a page cache of their own")]
    NoFile,
    /// This user may not read the file.
    #[error("this user may not read it; ask as root, or as its owner")]
    Denied,
    /// The kernel keeps it from this user what is cached.
    #[error(
        "the kernel tells only its owner, those who may write it, and root what is cached; ask as \
         one of these"
    )]
    NotTold,
    /// The file system keeps no pages.
    #[error("its file system cannot map it, so it has no page cache to ask for")]
    NoPages,
    /// The system's error.
    #[error("{0}")]
    System(io::Error),
}

impl Refused {
    /// Returns whether permissions are missing.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Denied | Self::NotTold)
    }

    fn opening(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::Missing,
            io::ErrorKind::PermissionDenied => Self::Denied,
            _ => Self::System(error),
        }
    }

    /// Returns the error of a first mapping.
    pub(super) fn mapping(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::ENODEV | libc::EINVAL | libc::EACCES | libc::EIO) => Self::NoPages,
            _ => Self::System(error),
        }
    }
}

/// Opens a file for reading and returns its size in bytes. Only a regular file is opened: opening a
/// FIFO would wait for a writer, and opening a device might do something.
pub fn open(path: &Path) -> Result<(File, u64), Refused> {
    let place = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH)
        .open(path)
        .map_err(Refused::opening)?;
    let metadata = place.metadata().map_err(Refused::System)?;
    if metadata.is_dir() {
        return Err(Refused::Directory);
    }
    if !metadata.is_file() {
        return Err(Refused::NoFile);
    }
    // This very file, whatever the path leads to by now; without waiting for a lease to end.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(format!("/proc/self/fd/{}", place.as_raw_fd()))
        .map_err(Refused::opening)?;
    Ok((file, metadata.len()))
}

/// Returns the name of a file's file system type. Files without a mount (memfd) are on tmpfs or
/// hugetlbfs.
pub fn file_system(file: &File) -> Option<String> {
    mounts::of_open_file(file.as_fd()).or_else(|| {
        let magic = fstatfs(file).ok()?.filesystem_type();
        let known = [(TMPFS_MAGIC, "tmpfs"), (HUGETLBFS_MAGIC, "hugetlbfs")];
        let (_, name) = known.into_iter().find(|(known, _)| *known == magic)?;
        Some(name.to_owned())
    })
}

/// Returns the bytes that a file has memory or disk blocks for.
pub fn allocated(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.blocks().saturating_mul(512))
}
