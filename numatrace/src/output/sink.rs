//! Destinations of a report: stdout, a pipe or device, or a regular file that is replaced as a
//! whole.
//!
//! A file is written with mode 0600 under a temporary name in the folder of the target and renamed
//! at the end, so that nobody reads half a report and an existing one survives a session that
//! fails. Symbolic links are not followed: they could lead a tool of root to write elsewhere.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::{
        fd::AsFd,
        unix::fs::{FileTypeExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::exit::{Exit, Failure};

/// An opened destination.
#[derive(Debug)]
pub enum Sink {
    /// The process's stdout.
    Stdout,
    /// An existing pipe or device.
    Existing(File),
    /// A regular file that is renamed to its target at the end.
    Replacing(Replacement),
}

/// A file under its temporary name; removed unless it is put in place.
#[derive(Debug)]
pub struct Replacement {
    file: File,
    temporary: PathBuf,
    target: PathBuf,
    placed: bool,
}

impl Sink {
    /// Opens the destination now, so that an unwritable one is found before a session starts.
    ///
    /// # Errors
    /// The destination cannot be written, or must not be replaced.
    pub fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else {
            return Ok(Sink::Stdout);
        };
        let refuse = |why: String| {
            Failure::new(
                Exit::Failed,
                format!(
                    "cannot write {}: {why}",
                    super::escape::text(path.as_os_str().as_encoded_bytes())
                ),
                "give -o a file in a directory you may write, or leave it out for stdout",
            )
        };
        match fs::symlink_metadata(path) {
            Ok(found) if found.is_file() => {}
            Ok(found) if found.file_type().is_fifo() || found.file_type().is_char_device() => {
                let file = OpenOptions::new()
                    .write(true)
                    .custom_flags(libc::O_NOFOLLOW)
                    .open(path)
                    .map_err(|error| refuse(error.to_string()))?;
                return Ok(Sink::Existing(file));
            }
            // A descriptor given as a path, as in bash's >(…).
            Ok(found) if found.file_type().is_symlink() && is_descriptor(path) => {
                let file = OpenOptions::new()
                    .write(true)
                    .open(path)
                    .map_err(|error| refuse(error.to_string()))?;
                return Ok(Sink::Existing(file));
            }
            Ok(found) if found.file_type().is_symlink() => {
                return Err(refuse("it is a symbolic link".to_owned()));
            }
            Ok(_) => return Err(refuse("it is not a regular file".to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(refuse(error.to_string())),
        }
        Replacement::create(path)
            .map(Sink::Replacing)
            .map_err(|error| refuse(error.to_string()))
    }

    /// Writes a part for readers to see now; returns false when the reader is gone. A regular file
    /// appears only at the end, complete.
    ///
    /// # Errors
    /// The destination failed.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let written = match self {
            Sink::Stdout => io::stdout()
                .write_all(bytes)
                .and_then(|()| io::stdout().flush()),
            Sink::Existing(file) => file.write_all(bytes),
            Sink::Replacing(replacement) => replacement.file.write_all(bytes),
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(error),
            Ok(()) => Ok(true),
        }
    }

    /// Returns whether the reader of stdout is gone, for sessions that may write nothing for a long
    /// time.
    #[must_use]
    pub fn stdout_is_closed() -> bool {
        let stdout = io::stdout();
        let mut watched = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
        matches!(poll(&mut watched, PollTimeout::ZERO), Ok(1..))
            && watched[0].revents().is_some_and(|events| {
                events.intersects(PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL)
            })
    }

    /// Writes everything and puts it in place. A reader that is gone is not an error.
    ///
    /// # Errors
    /// The destination failed.
    pub fn finish(self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Sink::Stdout => ignoring_closed_pipe(
                io::stdout()
                    .write_all(bytes)
                    .and_then(|()| io::stdout().flush()),
            ),
            Sink::Existing(mut file) => ignoring_closed_pipe(file.write_all(bytes)),
            Sink::Replacing(replacement) => replacement.place(bytes),
        }
    }
}

/// Ignores the error of a closed pipe.
fn ignoring_closed_pipe(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

fn is_descriptor(path: &Path) -> bool {
    path.starts_with("/dev/fd")
        || path.starts_with("/proc/self/fd")
        || path == Path::new("/dev/stdout")
        || path == Path::new("/dev/stderr")
}

impl Replacement {
    /// Creates a temporary file for a target.
    ///
    /// # Errors
    /// The file cannot be created in the folder of the target.
    pub fn create(target: &Path) -> io::Result<Self> {
        let name = target
            .file_name()
            .ok_or_else(|| io::Error::other("it has no file name"))?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}", std::process::id()));
        let temporary = target.with_file_name(hidden);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&temporary)?;
        Ok(Self {
            file,
            temporary,
            target: target.to_owned(),
            placed: false,
        })
    }

    fn place(self, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.file()?;
        file.write_all(bytes)?;
        file.sync_data()?;
        self.put_in_place()
    }

    /// Returns the file, which can be written before and after it is put in place.
    ///
    /// # Errors
    /// No descriptors are left.
    pub fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Renames it to its target as it is: for files that grow while others read them.
    ///
    /// # Errors
    /// The file cannot be renamed.
    pub fn put_in_place(mut self) -> io::Result<()> {
        fs::rename(&self.temporary, &self.target)?;
        self.placed = true;
        Ok(())
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if !self.placed {
            // Drop cannot report an error.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};

    #[test]
    fn a_report_replaces_the_old_one_as_a_whole_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        fs::write(&path, "old").unwrap();
        let sink = Sink::open(Some(&path)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        sink.finish(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn parts_are_put_in_place_together() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.jsonl");
        let mut sink = Sink::open(Some(&path)).unwrap();
        assert!(sink.write(b"one\n").unwrap());
        assert!(!path.exists());
        sink.finish(b"two\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\n");
    }

    #[test]
    fn a_reader_that_is_gone_is_reported_and_is_not_an_error() {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        drop(reader);
        assert!(!Sink::Existing(File::from(writer)).write(b"gone").unwrap());
    }

    #[test]
    fn a_session_that_fails_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        drop(Sink::open(Some(&folder.path().join("report"))).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn links_and_directories_are_refused_with_a_hint() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink("/etc/passwd", &link).unwrap();
        let error = Sink::open(Some(&link)).unwrap_err().to_string();
        assert!(
            error.contains("symbolic link") && error.contains("hint"),
            "{error}"
        );
        assert!(Sink::open(Some(folder.path())).is_err());
        assert!(Sink::open(Some(Path::new("/nowhere/at/all"))).is_err());
    }

    #[test]
    fn devices_can_be_written() {
        Sink::open(Some(Path::new("/dev/null")))
            .unwrap()
            .finish(b"gone")
            .unwrap();
    }
}
