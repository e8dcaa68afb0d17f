//! A regular file that grows line by line at its path, for readers that follow it.
//!
//! A reader finds whole lines: what a full disk left of a line is cut off again.

use std::{
    fs::File,
    io::{self, Write},
};

/// A file that was put in place and that nobody else writes.
#[derive(Debug)]
pub struct Lines {
    file: File,
    /// Bytes of whole lines in it.
    whole: u64,
}

impl Lines {
    /// Takes a new file, which is empty.
    pub(super) fn new(file: File) -> Self {
        Self { file, whole: 0 }
    }

    /// Returns the file.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Writes some whole lines.
    ///
    /// # Errors
    /// The file cannot be written; it ends with a whole line then.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(lines);
        let kept = match &written {
            Ok(()) => lines.len(),
            Err(_) => self.kept(lines)?,
        };
        self.whole = self
            .whole
            .saturating_add(u64::try_from(kept).unwrap_or(u64::MAX));
        written
    }

    /// Writes the last lines, and waits until the disk has the file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn finish(mut self, lines: &[u8]) -> io::Result<()> {
        self.write(lines)?;
        self.file.sync_data()
    }

    /// Cuts off what there is of the line at which writing failed. Returns the bytes that stay of
    /// the lines that were to be written.
    fn kept(&self, lines: &[u8]) -> io::Result<usize> {
        let grown = self.file.metadata()?.len().saturating_sub(self.whole);
        let grown = usize::try_from(grown).unwrap_or(usize::MAX);
        let there = lines.get(..grown).unwrap_or(lines);
        let kept = there.iter().rposition(|byte| *byte == b'\n');
        let kept = kept.map_or(0, |newline| newline + 1);
        let end = self.whole.saturating_add(u64::try_from(kept).unwrap_or(0));
        self.file.set_len(end)?;
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Seek;

    use super::*;

    #[test]
    fn what_is_left_of_a_line_is_cut_off() {
        let mut file = tempfile::tempfile().unwrap();
        let length = |file: &File| file.metadata().unwrap().len();
        let mut lines = Lines::new(file.try_clone().unwrap());
        lines.write(b"one\n").unwrap();
        // As a full disk does it: a part is written, then none.
        for (part, kept) in [(&b"two\nthr"[..], 4), (b"tw", 0), (b"", 0)] {
            file.write_all(part).unwrap();
            assert_eq!(lines.kept(b"two\nthree\n").unwrap(), kept);
            assert_eq!(length(&file), 4 + kept as u64);
            file.set_len(4).unwrap();
            file.seek(io::SeekFrom::Start(4)).unwrap();
        }
    }

    #[test]
    fn a_full_disk_leaves_whole_lines() {
        // Every write to it fails.
        let full = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        assert!(Lines::new(full).write(b"one\n").is_err());
    }
}
