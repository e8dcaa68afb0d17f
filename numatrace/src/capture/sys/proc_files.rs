//! Reads files of many processes, one after the other, with one descriptor of `/proc` and one
//! buffer, and without an allocation for each process. Ten thousand processes are twenty thousand
//! files of some hundred bytes, so any overhead for each of them counts.

use std::{
    fmt::Write as _,
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Instant,
};

use nix::{
    fcntl::{OFlag, openat},
    sys::stat::Mode,
};

use super::ReadError;
use crate::ids::Pid;

/// Bytes of the buffer. A line with a path of 4096 bytes, each escaped to four, and 1024 nodes fits
/// in. Most files fit in as a whole.
const BUFFER: usize = 64 << 10;

/// How the reading of a file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// At the end of the file.
    Whole,
    /// At the deadline.
    Cut,
}

/// Reads files of processes under one root.
#[derive(Debug)]
pub struct ProcFiles {
    proc: File,
    path: PathBuf,
    /// `PID/file`, rewritten for each file.
    name: String,
    buffer: Vec<u8>,
}

impl ProcFiles {
    /// Opens `root/proc`.
    ///
    /// # Errors
    /// There is no such directory.
    pub fn open(root: &Path) -> Result<Self, ReadError> {
        let path = root.join("proc");
        let proc = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_DIRECTORY | libc::O_PATH)
            .open(&path)
            .map_err(|source| ReadError::Io {
                path: path.clone(),
                source,
            })?;
        Ok(Self {
            proc,
            path,
            name: String::new(),
            buffer: vec![0; BUFFER],
        })
    }

    /// Returns the start of a file: the result of one read(2), which is the whole of files that the
    /// kernel prints at once, such as `comm` and `stat`.
    ///
    /// # Errors
    /// The process is gone or may not be read.
    pub fn start(&mut self, pid: Pid, file: &str) -> Result<&[u8], ReadError> {
        let mut opened = self.file(pid, file)?;
        let read = retry(|| opened.read(&mut self.buffer)).map_err(|source| self.error(source))?;
        Ok(self.buffer.get(..read).unwrap_or_default())
    }

    /// Calls `each` for every line of a file, without its newline. A line longer than the buffer
    /// comes in parts.
    ///
    /// # Errors
    /// The process is gone, or ends meanwhile, or may not be read.
    pub fn lines(
        &mut self,
        pid: Pid,
        file: &str,
        each: impl FnMut(&[u8]),
    ) -> Result<(), ReadError> {
        self.lines_until(pid, file, None, each).map(|_| ())
    }

    /// As [`ProcFiles::lines`], but begins no read(2) after a deadline, if there is one.
    ///
    /// # Errors
    /// As [`ProcFiles::lines`].
    pub fn lines_until(
        &mut self,
        pid: Pid,
        file: &str,
        until: Option<Instant>,
        mut each: impl FnMut(&[u8]),
    ) -> Result<Ended, ReadError> {
        let mut opened = self.file(pid, file)?;
        // Bytes of a line that has not ended yet, at the start of the buffer.
        let mut kept = 0;
        loop {
            if until.is_some_and(|until| Instant::now() >= until) {
                return Ok(Ended::Cut);
            }
            let space = self.buffer.get_mut(kept..).unwrap_or_default();
            let read = retry(|| opened.read(space)).map_err(|source| self.error(source))?;
            let filled = self.buffer.get(..kept + read).unwrap_or_default();
            let mut rest = filled;
            while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
                let (line, after) = rest.split_at(end);
                each(line);
                rest = after.get(1..).unwrap_or_default();
            }
            if !rest.is_empty() && (read == 0 || rest.len() == BUFFER) {
                each(rest);
                rest = &[];
            }
            if read == 0 {
                return Ok(Ended::Whole);
            }
            let from = filled.len() - rest.len();
            kept = rest.len();
            self.buffer.copy_within(from..from + kept, 0);
        }
    }

    fn file(&mut self, pid: Pid, file: &str) -> Result<File, ReadError> {
        self.name.clear();
        // Writing to a String cannot fail.
        let _ = write!(self.name, "{pid}/{file}");
        openat(
            &self.proc,
            self.name.as_str(),
            OFlag::O_RDONLY | OFlag::O_CLOEXEC,
            Mode::empty(),
        )
        .map(File::from)
        .map_err(|errno| self.error(errno.into()))
    }

    /// Returns an error with the file's whole path.
    fn error(&self, source: io::Error) -> ReadError {
        ReadError::Io {
            path: self.path.join(&self.name),
            source,
        }
    }
}

/// Repeats a read that a signal interrupted.
fn retry(mut read: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match read() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::capture::sys::fixture::write;

    fn lines(text: &[u8]) -> Vec<Vec<u8>> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("proc/7")).unwrap();
        std::fs::write(dir.path().join("proc/7/x"), text).unwrap();
        let mut found = Vec::new();
        let mut files = ProcFiles::open(dir.path()).unwrap();
        files
            .lines(Pid(7), "x", |line| found.push(line.to_vec()))
            .unwrap();
        found
    }

    #[test]
    fn lines_that_end_beyond_the_buffer_are_whole_and_longer_ones_come_in_parts() {
        let short = b"a".repeat(BUFFER - 10);
        let text = [&short[..], b"\n", &b"b".repeat(100), b"\n\n", b"end"].concat();
        assert_eq!(
            lines(&text),
            [short, b"b".repeat(100), Vec::new(), b"end".to_vec()]
        );
        let endless = lines(&b"x".repeat(BUFFER + 5));
        assert_eq!(
            endless.iter().map(Vec::len).collect::<Vec<_>>(),
            [BUFFER, 5]
        );
        assert_eq!(lines(b""), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn an_absent_file_is_named_with_its_root() {
        let dir = tempfile::tempdir().unwrap();
        assert!(ProcFiles::open(dir.path()).is_err());
        write(&dir.path().join("proc/7/comm"), "a");
        let mut files = ProcFiles::open(dir.path()).unwrap();
        assert_eq!(files.start(Pid(7), "comm").unwrap(), b"a\n");
        let error = files.start(Pid(8), "comm").unwrap_err();
        assert!(error.is_absent());
        assert!(error.to_string().contains("proc/8/comm"), "{error}");
    }

    proptest! {
        #[test]
        fn lines_joined_again_are_the_file(
            parts in vec(vec(any::<u8>(), 0..30_000), 0..8)
        ) {
            let text = parts.join(&b'\n');
            let split = text.split(|byte| *byte == b'\n');
            let mut expected: Vec<Vec<u8>> = split.map(<[u8]>::to_vec).collect();
            // A file's last newline ends its last line and begins none.
            if expected.last().is_some_and(Vec::is_empty) {
                expected.pop();
            }
            prop_assume!(expected.iter().all(|line| line.len() < BUFFER));
            prop_assert_eq!(lines(&text), expected);
        }
    }
}
