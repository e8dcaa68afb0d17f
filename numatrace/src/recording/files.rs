//! The file of a recording, and with a limit the next file, which will replace it.
//!
//! To keep the last part of a session, the second half of the current file is also written to the
//! next one, which begins with the state of the session so far. When the current file is full, the
//! next one replaces it. What fits into neither is not written: a file that begins with the state
//! after it replaces both. So the path holds a whole recording at any time, and no file is larger
//! than the limit.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::{
    capture::recording::frame::{Packed, Packer, file_header},
    exit::Failure,
    output::{replacement::Replacement, sink::Sink},
};

/// Part of a session that stays when it does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Its start.
    First,
    /// Its end: a flight recorder.
    Last,
}

/// Largest size of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Size, bytes.
    pub bytes: u64,
    /// Part that stays.
    pub keep: Keep,
}

/// Result of writing a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// The frame was written.
    Written,
    /// Nothing was written: the limit is reached.
    Full,
    /// Nothing was written: a file is to begin with the state of the session.
    Anew,
}

/// Part of the limit that a state may take, with which a file begins: the rest is for what follows.
const STATE: u64 = 3;

/// A file of frames that grows.
#[derive(Debug)]
struct Growing {
    file: File,
    written: u64,
    frames: u32,
    /// Nothing but this recording is in the file.
    is_ours: bool,
}

impl Growing {
    fn begin(file: File, is_ours: bool) -> io::Result<Self> {
        let mut growing = Self {
            file,
            written: 0,
            frames: 0,
            is_ours,
        };
        growing.append(&file_header())?;
        Ok(growing)
    }

    fn frame(&mut self, packed: &Packed) -> io::Result<()> {
        self.append(&packed.frame(self.frames))?;
        self.frames = self.frames.wrapping_add(1);
        Ok(())
    }

    /// Appends all bytes or none: when the disk is full, a partial frame is removed again.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(bytes) {
            // A reader of a pipe sees where it ends, and a file of somebody else may hold more than
            // this recording.
            if self.is_ours {
                let _ = self.file.set_len(self.written);
            }
            return Err(error);
        }
        self.written += bytes.len() as u64;
        Ok(())
    }
}

/// The files of one recording.
pub struct Files {
    packer: Packer,
    current: Growing,
    /// The current file, until it is put at its path.
    unplaced: Option<Replacement>,
    /// The file that will replace the current one.
    next: Option<(Growing, Replacement)>,
    limit: Option<Limit>,
    /// Bytes within the limit that are kept for the end of the session.
    reserve: u64,
    /// Path of the recording; `None` for a pipe or device.
    target: Option<PathBuf>,
}

impl Files {
    /// Opens a file in the folder of the path; a file at the path stays until [`Files::place`].
    ///
    /// # Errors
    /// The file cannot be written, or the limit cannot be kept: a pipe cannot drop its start.
    pub fn open(path: &Path, limit: Option<Limit>) -> Result<Self, Failure> {
        let refuse = |error: io::Error| {
            Failure::new(
                crate::exit::Exit::Failed,
                format!("cannot write the recording: {error}"),
                "give -o a file in a directory you may write",
            )
        };
        let (file, unplaced) = match Sink::open(Some(path))? {
            Sink::Replacing(replacement) => {
                (replacement.file().map_err(refuse)?, Some(replacement))
            }
            Sink::Existing(file) => (file, None),
            Sink::Stdout | Sink::Growing(_) => {
                return Err(refuse(io::Error::other("it has no path")));
            }
        };
        if unplaced.is_none() && limit.is_some_and(|limit| limit.keep == Keep::Last) {
            return Err(Failure::new(
                crate::exit::Exit::Usage,
                "a pipe or device cannot keep the last part of a session",
                "give -o a regular file, or use --keep first",
            ));
        }
        Ok(Self {
            packer: Packer::new().map_err(refuse)?,
            current: Growing::begin(file, unplaced.is_some()).map_err(refuse)?,
            target: unplaced.as_ref().map(|_| path.to_owned()),
            unplaced,
            next: None,
            limit,
            reserve: 0,
        })
    }

    /// Puts the file at its path: from here on a reader finds it, even if numatrace is killed.
    ///
    /// # Errors
    /// The file cannot be renamed.
    pub fn place(&mut self) -> io::Result<()> {
        match self.unplaced.take() {
            Some(replacement) => replacement.put_in_place(),
            None => Ok(()),
        }
    }

    /// Returns the limit.
    pub fn limit(&self) -> Option<Limit> {
        self.limit
    }

    /// Keeps room for the end of the session, which is as long as two of these frames.
    pub fn reserve_for_end(&mut self, frame: &Packed) {
        self.reserve = 2 * frame.len() as u64;
    }

    /// Returns the size of the current file, bytes.
    pub fn written(&self) -> u64 {
        self.current.written
    }

    /// Returns whether it is time to begin the next file.
    pub fn wants_next(&self) -> bool {
        let half_full =
            |limit: Limit| limit.keep == Keep::Last && self.current.written >= limit.bytes / 2;
        self.next.is_none() && self.target.is_some() && self.limit.is_some_and(half_full)
    }

    /// Packs chunks.
    ///
    /// # Errors
    /// They are too large, or there is no memory.
    pub fn pack(&mut self, chunks: &[u8]) -> io::Result<Packed> {
        self.packer.pack(chunks)
    }

    /// Returns whether a state is small enough to begin a file.
    pub fn is_state(&self, packed: &Packed) -> bool {
        let most = |limit: Limit| (limit.bytes / STATE).saturating_sub(self.reserve);
        self.limit
            .is_none_or(|limit| packed.len() as u64 <= most(limit))
    }

    /// Begins the next file with a state.
    ///
    /// # Errors
    /// The file cannot be written; nothing of it remains then.
    pub fn begin_next(&mut self, state: &Packed) -> io::Result<()> {
        if let Some(target) = &self.target {
            self.next = Some(begun(target, state)?);
        }
        Ok(())
    }

    /// Replaces the current file by one that begins with a state.
    ///
    /// # Errors
    /// The file cannot be written; the current one stays then.
    pub fn begin_anew(&mut self, state: &Packed) -> io::Result<()> {
        self.next = None;
        let Some(target) = &self.target else {
            return Err(io::Error::other("it cannot begin anew"));
        };
        let (file, replacement) = begun(target, state)?;
        replacement.put_in_place()?;
        (self.current, self.unplaced) = (file, None);
        Ok(())
    }

    /// Writes a frame.
    ///
    /// # Errors
    /// The file cannot be written; it ends with its last whole frame.
    pub fn write(&mut self, packed: &Packed) -> io::Result<Room> {
        if let Some(limit) = self.limit {
            let kept = match limit.keep {
                // The sums of the rest follow the part that is kept.
                Keep::First => limit.bytes / STATE,
                Keep::Last => self.reserve,
            };
            let room = limit.bytes.saturating_sub(kept);
            let fits = |file: &Growing| file.written + packed.len() as u64 <= room;
            if !fits(&self.current) {
                match (limit.keep, self.next.take()) {
                    (Keep::First, _) => return Ok(Room::Full),
                    (Keep::Last, Some((next, replacement))) if fits(&next) => {
                        replacement.put_in_place()?;
                        self.current = next;
                    }
                    (Keep::Last, _) => return Ok(Room::Anew),
                }
            }
        }
        self.append(packed)?;
        Ok(Room::Written)
    }

    /// Writes a frame at the end of the session, for which room was kept. Returns whether it fits.
    ///
    /// # Errors
    /// As [`Files::write`].
    pub fn write_end(&mut self, packed: &Packed) -> io::Result<bool> {
        let fits = |limit: Limit| self.current.written + packed.len() as u64 <= limit.bytes;
        if !self.limit.is_none_or(fits) {
            return Ok(false);
        }
        self.append(packed)?;
        Ok(true)
    }

    fn append(&mut self, packed: &Packed) -> io::Result<()> {
        self.current.frame(packed)?;
        if let Some((next, _)) = &mut self.next {
            next.frame(packed)?;
        }
        Ok(())
    }

    /// Completes the recording and waits until it is on disk.
    ///
    /// # Errors
    /// The file cannot be renamed or synchronized.
    pub fn finish(&mut self) -> io::Result<()> {
        self.next = None;
        self.place()?;
        if self.target.is_some() {
            self.current.file.sync_data()?;
        }
        Ok(())
    }
}

/// Begins a file that can replace the one at a path.
fn begun(target: &Path, state: &Packed) -> io::Result<(Growing, Replacement)> {
    let replacement = Replacement::create(target)?;
    let mut file = Growing::begin(replacement.file()?, true)?;
    file.frame(state)?;
    Ok((file, replacement))
}
