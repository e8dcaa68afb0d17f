//! Replays a recording: takes it in as the session did, and makes the same reports.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use anyhow::Context;

use super::{
    chunks::{self, Chunk},
    player::Player,
    wanted::Wanted,
};
use crate::{
    capture::recording::{
        bytes::Bytes,
        frame::{End, Frames, NotReadable},
    },
    decode::event::Event,
    exit::{Exit, Failure},
    model::Snapshot,
    output::escape,
};

/// Bytes per read: fewer system calls for recordings of gigabytes.
const BUFFER: usize = 1 << 20;

/// Result of reading a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Sentences for a person on what the recording lacks.
    pub remarks: Vec<String>,
    /// Records read.
    pub records: u64,
}

/// A recording that is open.
pub struct Replay<R> {
    frames: Frames<R>,
    wanted: Wanted,
    /// Bytes of the file; 0 for a pipe.
    pub length: u64,
}

impl Replay<BufReader<File>> {
    /// Opens a recording.
    ///
    /// # Errors
    /// The file cannot be read, or is no recording of this version: a [`Failure`] with a hint.
    pub fn open(path: &Path, wanted: Wanted) -> anyhow::Result<Self> {
        let name = escape::text(path.as_os_str().as_encoded_bytes()).into_owned();
        let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
        let length = file.metadata().map_or(0, |found| found.len());
        let file = BufReader::with_capacity(BUFFER, file);
        Self::new(file, length, wanted).map_err(|error| {
            let hint = match error {
                NotReadable::NotARecording => "make one with: numatrace record -o FILE",
                NotReadable::Empty | NotReadable::Damaged => {
                    "it was truncated or damaged before its first frame: nothing in it can be read"
                }
                NotReadable::Later(_) => "read it with the numatrace that wrote it, or a later one",
                NotReadable::Io(_) => "check that it is a file that can be read",
            };
            let what = format!("cannot read {name}: {error}");
            Failure::new(Exit::Failed, what, hint).into()
        })
    }
}

impl<R: Read> Replay<R> {
    /// Begins to read a recording of `length` bytes.
    ///
    /// # Errors
    /// The input is no recording of this version.
    pub fn new(from: R, length: u64, wanted: Wanted) -> Result<Self, NotReadable> {
        Ok(Self {
            frames: Frames::open(from)?,
            wanted,
            length,
        })
    }

    /// Reads the whole recording. Calls `each` with every record, and `reported` with every report
    /// as it is made, until that returns `false`.
    ///
    /// # Errors
    /// The file cannot be read, holds no session, or `reported` fails.
    pub fn run(
        self,
        each: &mut dyn FnMut(&Event),
        reported: &mut dyn FnMut(Snapshot) -> anyhow::Result<bool>,
    ) -> anyhow::Result<Outcome> {
        self.run_with_progress(each, reported, &mut |_| {})
    }

    /// Reads the whole recording as [`Replay::run`] does. Calls `progress` with the number of bytes
    /// read before each frame.
    ///
    /// # Errors
    /// As [`Replay::run`].
    pub fn run_with_progress(
        mut self,
        each: &mut dyn FnMut(&Event),
        reported: &mut dyn FnMut(Snapshot) -> anyhow::Result<bool>,
        progress: &mut dyn FnMut(u64),
    ) -> anyhow::Result<Outcome> {
        let mut player = Player::new(self.wanted);
        let mut frame = Vec::new();
        let mut broken = None;
        'frames: while self
            .frames
            .next(&mut frame)
            .context("cannot read the recording")?
        {
            progress(self.frames.position());
            player.budget.read_up_to(self.frames.position());
            let mut rest = Bytes(&frame);
            loop {
                let chunk = match chunks::next(&mut rest, &mut player.budget) {
                    Ok(Some(chunk)) => chunk,
                    Ok(None) => break,
                    Err(garbled) => {
                        broken = Some(garbled.to_string());
                        break 'frames;
                    }
                };
                if let Chunk::Report(made) = chunk {
                    if let Some(snapshot) = player.report(&made)?
                        && !reported(snapshot)?
                    {
                        return Ok(outcome(player, None));
                    }
                    continue;
                }
                if let Err(garbled) = player.apply(chunk, each) {
                    broken = Some(garbled.to_string());
                    break 'frames;
                }
            }
        }
        let damage = broken.or_else(|| self.frames.end().and_then(damage));
        if player.is_done() {
            let remark = damage.map(|damage| format!("behind the end of the session {damage}"));
            return Ok(outcome(player, remark));
        }
        let why = damage.unwrap_or_else(|| "the file ends".to_owned());
        let (remark, snapshot) = player.break_off(&why)?;
        if let Some(snapshot) = snapshot {
            reported(snapshot)?;
        }
        Ok(outcome(player, Some(remark)))
    }
}

fn outcome(player: Player, last_remark: Option<String>) -> Outcome {
    let records = player.records();
    let mut remarks = player.into_remarks();
    remarks.extend(last_remark);
    Outcome { remarks, records }
}

/// Returns what is wrong with the end of a file; `None` for a whole one.
fn damage(end: &End) -> Option<String> {
    match end {
        End::Whole => None,
        End::Truncated { at, left } => Some(format!(
            "the file is truncated: {left} bytes from byte {at} on are no whole frame"
        )),
        End::Damaged { at, why } => Some(format!("the file is damaged from byte {at} on: {why}")),
    }
}
