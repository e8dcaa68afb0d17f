//! Destinations of a report: stdout, a pipe or device, or a regular file that is replaced as a
//! whole.
//!
//! A file is written with mode 0600 in the folder of the target. A single document is put in place
//! at the end ([`Replacement`]), so that nobody reads half a report and an existing one survives a
//! session that fails. A file of lines is put in place when its session has begun, and grows
//! there. Symbolic links are not followed: they could lead a tool of root to write elsewhere.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    },
    path::Path,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{escape, lines::Lines, replacement::Replacement};
use crate::exit::{Exit, Failure};

/// Path that means standard input.
const STDIN: &str = "-";

/// An opened destination.
#[derive(Debug)]
pub enum Sink {
    /// The process's stdout.
    Stdout,
    /// An existing pipe or device, or a descriptor given as a path.
    Existing(File),
    /// A regular file that is put at its target at the end.
    Replacing(Replacement),
    /// A regular file at its target, which grows.
    Growing(Lines),
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
                    escape::text(path.as_os_str().as_encoded_bytes())
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
            Ok(found) if found.file_type().is_symlink() && descriptor(path).is_some() => {
                return open_descriptor(path)
                    .map(Sink::Existing)
                    .map_err(|error| refuse(error.to_string()));
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

    /// Refuses a destination that is also an input, under whatever name: the result would replace
    /// what it was made of. `-` is standard input.
    ///
    /// # Errors
    /// Both are the same regular file.
    pub fn must_differ_from(&self, input: &Path) -> Result<(), Failure> {
        let read = if input == Path::new(STDIN) {
            of_descriptor(io::stdin().as_fd())
        } else {
            fs::metadata(input)
        };
        let written = match self {
            Sink::Stdout => of_descriptor(io::stdout().as_fd()),
            Sink::Existing(file) => file.metadata(),
            Sink::Replacing(replacement) => fs::metadata(replacement.target()),
            Sink::Growing(lines) => lines.file().metadata(),
        };
        let (Ok(read), Ok(written)) = (read, written) else {
            return Ok(());
        };
        let same = (read.dev(), read.ino()) == (written.dev(), written.ino());
        if !(same && read.is_file()) {
            return Ok(());
        }
        Err(Failure::new(
            Exit::Usage,
            format!(
                "the result would replace {}, from which it is made",
                escape::text(input.as_os_str().as_encoded_bytes())
            ),
            "give -o a different file",
        ))
    }

    /// Puts a regular file at its target now, in place of an older one, for whole lines that
    /// readers see as soon as they are written.
    ///
    /// # Errors
    /// The file cannot be put in place.
    pub fn grow(&mut self) -> io::Result<()> {
        let Sink::Replacing(replacement) = self else {
            return Ok(());
        };
        let lines = Lines::new(replacement.file()?);
        match std::mem::replace(self, Sink::Growing(lines)) {
            Sink::Replacing(replacement) => replacement.put_in_place(),
            _ => Ok(()),
        }
    }

    /// Writes a part for readers to see now; returns false when the reader is gone. A regular file
    /// that does not grow appears only at the end, complete.
    ///
    /// # Errors
    /// The destination failed.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let written = match self {
            Sink::Stdout => io::stdout()
                .write_all(bytes)
                .and_then(|()| io::stdout().flush()),
            Sink::Existing(file) => file.write_all(bytes),
            Sink::Replacing(replacement) => replacement.write(bytes),
            Sink::Growing(lines) => lines.write(bytes),
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
            Sink::Growing(lines) => lines.finish(bytes),
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

/// Returns the number of a descriptor given as a path, as in bash's `>(…)`.
fn descriptor(path: &Path) -> Option<u32> {
    match path.to_str()? {
        "/dev/stdout" => Some(1),
        "/dev/stderr" => Some(2),
        other => other
            .strip_prefix("/dev/fd/")
            .or_else(|| other.strip_prefix("/proc/self/fd/"))?
            .parse()
            .ok(),
    }
}

/// Opens a descriptor given as a path. Opening a file by such a path makes a new description of it,
/// which writes from its first byte; stdout and stderr are duplicated, and others append.
fn open_descriptor(path: &Path) -> io::Result<File> {
    match descriptor(path) {
        Some(1) => Ok(io::stdout().as_fd().try_clone_to_owned()?.into()),
        Some(2) => Ok(io::stderr().as_fd().try_clone_to_owned()?.into()),
        _ => OpenOptions::new().append(true).open(path),
    }
}

fn of_descriptor(descriptor: BorrowedFd<'_>) -> io::Result<Metadata> {
    File::from(descriptor.try_clone_to_owned()?).metadata()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

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
    fn a_file_that_grows_is_new_private_and_seen_line_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        fs::write(&path, "of an older session\n").unwrap();
        let mut sink = Sink::open(Some(&path)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"of an older session\n");
        sink.grow().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(sink.write(b"one\n").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"one\n");
        sink.finish(b"two\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
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

    #[test]
    fn an_input_is_no_destination_under_any_of_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let (input, link, other) = (
            folder.path().join("a.nmt"),
            folder.path().join("b.nmt"),
            folder.path().join("c"),
        );
        fs::write(&input, "recorded").unwrap();
        fs::hard_link(&input, &link).unwrap();
        for same in [&input, &link] {
            let sink = Sink::open(Some(same)).unwrap();
            let error = sink.must_differ_from(&input).unwrap_err().to_string();
            assert!(error.contains("hint: "), "{error}");
        }
        let sink = Sink::open(Some(&other)).unwrap();
        sink.must_differ_from(&input).unwrap();
        sink.must_differ_from(Path::new("/nowhere")).unwrap();
        let null = Sink::open(Some(Path::new("/dev/null"))).unwrap();
        null.must_differ_from(Path::new("/dev/null")).unwrap();
    }

    #[test]
    fn a_descriptor_is_one_by_its_whole_path() {
        assert_eq!(descriptor(Path::new("/dev/stdout")), Some(1));
        assert_eq!(descriptor(Path::new("/dev/fd/63")), Some(63));
        assert_eq!(descriptor(Path::new("/proc/self/fd/2")), Some(2));
        for other in ["/dev/fd/../../tmp/link", "/dev/fd", "/dev/fd/x", "/tmp/1"] {
            assert_eq!(descriptor(Path::new(other)), None, "{other}");
        }
    }
}
