//! The file a recording goes to, and with a limit the one that will take its place.
//!
//! To keep the last of a session, the second half of a file is written to a second one too, which begins with all before summed up. When the first
//! is full, the second takes its place. So there is a whole recording at the path at any time.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::{
    capture::recording::frame::{Packed, Packer, file_header},
    exit::Failure,
    output::sink::{Replacement, Sink},
};

/// Which part of a session stays when it does not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Keep {
    /// Its beginning.
    First,
    /// Its end: a flight recorder.
    #[default]
    Last,
}

/// The most that a recording may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Bytes.
    pub bytes: u64,
    /// What stays.
    pub keep: Keep,
}

/// Was there room?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It is written.
    Written,
    /// Nothing was written, for the limit.
    Full,
}

/// A file that grows.
#[derive(Debug)]
struct Growing {
    file: File,
    written: u64,
    frames: u32,
}

impl Growing {
    fn begin(file: File) -> io::Result<Self> {
        let mut growing = Self {
            file,
            written: 0,
            frames: 0,
        };
        growing.append(&file_header())?;
        Ok(growing)
    }

    fn frame(&mut self, packed: &Packed) -> io::Result<()> {
        self.append(&packed.frame(self.frames))?;
        self.frames = self.frames.wrapping_add(1);
        Ok(())
    }

    /// All of it or nothing: where a disk is full, half a frame is taken away again.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(bytes) {
            // A pipe cannot be cut; its reader sees where it ended.
            let _ = self.file.set_len(self.written);
            return Err(error);
        }
        self.written += bytes.len() as u64;
        Ok(())
    }
}

/// Where a recording goes.
pub struct Files {
    packer: Packer,
    current: Growing,
    /// Not yet at its path.
    beginning: Option<Replacement>,
    /// The file that will take the place of the current one.
    next: Option<(Growing, Replacement)>,
    limit: Option<Limit>,
    /// `None` for a pipe or device.
    target: Option<PathBuf>,
}

impl Files {
    /// Opens a file beside the path; what lies there stays until [`Files::place`].
    ///
    /// # Errors
    /// It cannot be written, or a limit cannot be kept there.
    pub fn open(path: &Path, limit: Option<Limit>) -> Result<Self, Failure> {
        let refuse = |error: io::Error| {
            Failure::new(
                crate::exit::Exit::Failed,
                format!("cannot write the recording: {error}"),
                "give -o a file in a directory you may write",
            )
        };
        let (file, beginning) = match Sink::open(Some(path))? {
            Sink::Replacing(replacement) => {
                (replacement.file().map_err(refuse)?, Some(replacement))
            }
            Sink::Existing(file) => (file, None),
            Sink::Stdout => return Err(refuse(io::Error::other("it has no path"))),
        };
        if beginning.is_none() && limit.is_some_and(|limit| limit.keep == Keep::Last) {
            return Err(Failure::new(
                crate::exit::Exit::Usage,
                "a pipe or device cannot keep the last of a session",
                "give -o a regular file, or use --keep first",
            ));
        }
        Ok(Self {
            packer: Packer::new().map_err(refuse)?,
            current: Growing::begin(file).map_err(refuse)?,
            target: beginning.as_ref().map(|_| path.to_owned()),
            beginning,
            next: None,
            limit,
        })
    }

    /// Puts the file at its path: from here on a reader finds it, whatever happens to us.
    ///
    /// # Errors
    /// It cannot be renamed.
    pub fn place(&mut self) -> io::Result<()> {
        match self.beginning.take() {
            Some(beginning) => beginning.put_in_place(),
            None => Ok(()),
        }
    }

    /// From here on there is no limit: what ends a session is written in any case.
    pub fn lift_limit(&mut self) {
        self.limit = None;
        self.next = None;
    }

    /// Bytes at the path.
    pub fn written(&self) -> u64 {
        self.current.written
    }

    /// Is it time for the next file?
    pub fn wants_next(&self) -> bool {
        let half_full =
            |limit: Limit| limit.keep == Keep::Last && self.current.written >= limit.bytes / 2;
        self.next.is_none() && self.target.is_some() && self.limit.is_some_and(half_full)
    }

    /// Begins the next file with a frame of these chunks.
    ///
    /// # Errors
    /// It cannot be written; nothing is left of it then.
    pub fn begin_next(&mut self, chunks: &[u8]) -> io::Result<()> {
        let Some(target) = &self.target else {
            return Ok(());
        };
        let replacement = Replacement::create(target)?;
        let mut next = Growing::begin(replacement.file()?)?;
        next.frame(&self.packer.pack(chunks)?)?;
        self.next = Some((next, replacement));
        Ok(())
    }

    /// Writes a frame.
    ///
    /// # Errors
    /// The file cannot be written; it ends with its last whole frame.
    pub fn write(&mut self, chunks: &[u8]) -> io::Result<Room> {
        let packed = self.packer.pack(chunks)?;
        if let Some(limit) = self.limit
            && self.current.written + packed.len() as u64 > limit.bytes
        {
            match (limit.keep, self.next.take()) {
                (Keep::First, _) => return Ok(Room::Full),
                (Keep::Last, Some((next, replacement))) => {
                    replacement.put_in_place()?;
                    self.current = next;
                }
                // One frame of more than half of the limit: it is larger for once.
                (Keep::Last, None) => {}
            }
        }
        self.current.frame(&packed)?;
        if let Some((next, _)) = &mut self.next {
            next.frame(&packed)?;
        }
        Ok(Room::Written)
    }

    /// Sees that it is on the disk.
    ///
    /// # Errors
    /// It is not.
    pub fn finish(&mut self) -> io::Result<()> {
        self.next = None;
        self.place()?;
        if self.target.is_some() {
            self.current.file.sync_data()?;
        }
        Ok(())
    }

    /// The smallest limit that makes sense.
    pub const SMALLEST: u64 = 64 << 10;
}
