//! Readers of /proc and /sys: text files under a root, parsed into plain numbers. Every reader
//! takes the root as a `&Path` ("/" on a live machine, a directory tree in tests) and never assumes
//! that a file exists, ends, or has the expected format: a file that cannot be read is a
//! [`ReadError`] with its path, never a panic.

#[cfg(test)]
pub mod fixture;
pub mod list;

pub mod buddyinfo;
pub mod hugepages;
pub mod meminfo;
pub mod numastat;
pub mod vmstat;
pub mod zone_sums;
pub mod zoneinfo;

pub mod cgroup;
pub mod limits;
pub mod mounts;
pub mod numa_maps;
pub mod page_cache;
pub mod policy;
pub mod proc_files;
pub mod process;
pub mod smaps;
pub mod threads;

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Bytes that no one-value file, node file or /proc/PID/status has; a longer file is refused.
const FILE_LIMIT: u64 = 4 << 20;

/// Why a file under /proc or /sys could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refused: missing, not permitted, gone.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file's contents are not as expected.
    #[error("cannot understand {}: {what}", path.display())]
    Garbage {
        /// The file.
        path: PathBuf,
        /// The expected and the found text.
        what: String,
    },
}

impl ReadError {
    /// Returns the error of a file whose contents are not as expected.
    pub fn garbage(path: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        Self::Garbage {
            path: path.into(),
            what: what.into(),
        }
    }

    /// Returns whether the file, or its process, does not exist, as opposed to being unreadable or
    /// garbled.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        match self {
            // read(2) of a /proc/PID file fails with ESRCH when the process has just exited.
            Self::Io { source, .. } => {
                source.kind() == io::ErrorKind::NotFound
                    || source.raw_os_error() == Some(libc::ESRCH)
            }
            Self::Garbage { .. } => false,
        }
    }

    /// Returns whether permissions are missing.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
    }
}

/// Reads the text of `root/relative`. Invalid UTF-8 is replaced; a file over 4 MiB is refused.
pub fn read_text(root: &Path, relative: &str) -> Result<String, ReadError> {
    let path = root.join(relative);
    let mut bytes = Vec::new();
    let io = |source| ReadError::Io {
        path: path.clone(),
        source,
    };
    File::open(&path)
        .map_err(io)?
        .take(FILE_LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(ReadError::garbage(
            path,
            format!("longer than {FILE_LIMIT} bytes"),
        ));
    }
    Ok(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

/// Reads the one number in `root/relative`.
pub fn read_number(root: &Path, relative: &str) -> Result<u64, ReadError> {
    let text = read_text(root, relative)?;
    text.trim().parse().map_err(|_| {
        ReadError::garbage(
            root.join(relative),
            format!("expected a number, found {}", excerpt(&text)),
        )
    })
}

/// Reads the kernel list (`0-3,8`) in `root/relative`, ascending and without repeats.
pub fn read_list(root: &Path, relative: &str) -> Result<Vec<u32>, ReadError> {
    let text = read_text(root, relative)?;
    list::parse_kernel(&text)
        .map_err(|error| ReadError::garbage(root.join(relative), error.to_string()))
}

/// Returns the entries of directory `root/relative`, sorted by name. Names that are not UTF-8 are
/// ignored: the kernel makes none.
pub fn read_names(root: &Path, relative: &str) -> Result<Vec<String>, ReadError> {
    let path = root.join(relative);
    let io = |source| ReadError::Io {
        path: path.clone(),
        source,
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&path).map_err(io)? {
        if let Ok(name) = entry.map_err(io)?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Returns the start of a text for an error message: one line, quoted, control characters escaped.
pub(crate) fn excerpt(text: &str) -> String {
    let start: String = text.trim_end().chars().take(40).collect();
    format!("{start:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_absent_and_garbage_is_not() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("x"), "12 monkeys\x1b[2J\n").unwrap();
        let missing = read_number(dir.path(), "y").unwrap_err();
        assert!(missing.is_absent() && !missing.is_denied());
        let garbage = read_number(dir.path(), "x").unwrap_err();
        assert!(!garbage.is_absent());
        assert!(
            garbage.to_string().contains("expected a number"),
            "{garbage}"
        );
        assert!(
            !garbage.to_string().contains('\x1b'),
            "escape sequences must not reach a terminal: {garbage:?}"
        );
    }

    #[test]
    fn invalid_utf8_and_endless_files_are_survived() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("bytes"), b"\xff\xfe7\n").unwrap();
        assert!(read_text(dir.path(), "bytes").unwrap().contains('7'));
        assert!(read_list(dir.path(), "bytes").is_err());
        let endless = read_text(Path::new("/"), "dev/zero").unwrap_err();
        assert!(endless.to_string().contains("longer than"), "{endless}");
    }
}
