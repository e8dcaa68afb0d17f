//! Takes a recording in as the session did, and makes the same reports.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
    time::Duration,
};

use anyhow::Context;

use super::{
    chunks::{self, Chunk},
    player::Player,
};
use crate::{
    capture::recording::{
        bytes::Bytes,
        frame::{End, Frames, NotReadable},
    },
    decode::event::Event,
    exit::{Exit, Failure},
    ids::Pid,
    model::Snapshot,
    output::escape,
};

/// Bytes read at once.
const BUFFER: usize = 1 << 20;

/// What is wanted of a recording.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// From so long after its begin.
    pub from: Option<Duration>,
    /// Up to so long after its begin.
    pub to: Option<Duration>,
    /// Details of these processes only; all when empty.
    pub pids: Vec<Pid>,
    /// And of their children.
    pub children: bool,
    /// What happened to the process of the session, in order of time.
    pub timeline: bool,
    /// One report of all, whatever intervals it was recorded with.
    pub whole: bool,
}

impl Wanted {
    /// Is it a part in time?
    pub fn is_part(&self) -> bool {
        self.from.is_some() || self.to.is_some()
    }
}

/// What became of reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What the recording lacks, in sentences for a person.
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
    /// It cannot be read, or is no recording of this version: with a way out.
    pub fn open(path: &Path, wanted: Wanted) -> anyhow::Result<Self> {
        let name = escape::text(path.as_os_str().as_encoded_bytes()).into_owned();
        let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
        let length = file.metadata().map_or(0, |found| found.len());
        let file = BufReader::with_capacity(BUFFER, file);
        Self::new(file, length, wanted).map_err(|error| {
            let hint = match error {
                NotReadable::NotARecording => "make one with: numatrace record -o FILE",
                NotReadable::Empty | NotReadable::Damaged => {
                    "it was cut or damaged before its first frame: there is nothing to read in it"
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
    /// Begins to read so many bytes from anywhere.
    ///
    /// # Errors
    /// It is no recording of this version.
    pub fn new(from: R, length: u64, wanted: Wanted) -> Result<Self, NotReadable> {
        Ok(Self {
            frames: Frames::open(from)?,
            wanted,
            length,
        })
    }

    /// Reads all of it: each record on the way, and each report as it is made, until that says `false`.
    ///
    /// # Errors
    /// The file cannot be read, there is no session in it, or whoever takes the reports fails.
    pub fn run(
        self,
        each: &mut dyn FnMut(&Event),
        reported: &mut dyn FnMut(Snapshot) -> anyhow::Result<bool>,
    ) -> anyhow::Result<Outcome> {
        self.run_showing(each, reported, &mut |_| {})
    }

    /// The same, telling how many bytes were read before each frame.
    ///
    /// # Errors
    /// As [`Replay::run`].
    pub fn run_showing(
        mut self,
        each: &mut dyn FnMut(&Event),
        reported: &mut dyn FnMut(Snapshot) -> anyhow::Result<bool>,
        read: &mut dyn FnMut(u64),
    ) -> anyhow::Result<Outcome> {
        let mut player = Player::new(self.wanted);
        let mut frame = Vec::new();
        let mut broken = None;
        'frames: while self
            .frames
            .next(&mut frame)
            .context("cannot read the recording")?
        {
            read(self.frames.position());
            let mut rest = Bytes(&frame);
            loop {
                let chunk = match chunks::next(&mut rest) {
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
                        return Ok(player.outcome(Vec::new()));
                    }
                    continue;
                }
                if let Err(garbled) = player.take(chunk, each) {
                    broken = Some(garbled.to_string());
                    break 'frames;
                }
            }
        }
        let end = broken.or_else(|| self.frames.end().and_then(told));
        let mut remarks = Vec::new();
        if player.is_done() {
            remarks.extend(end.map(|end| format!("behind the end of the session {end}")));
        } else {
            let why = end.unwrap_or_else(|| "the file ends".to_owned());
            let (remark, snapshot) = player.break_off(&why)?;
            remarks.push(remark);
            if let Some(snapshot) = snapshot {
                reported(snapshot)?;
            }
        }
        Ok(player.outcome(remarks))
    }
}

/// An end that is none.
fn told(end: &End) -> Option<String> {
    match end {
        End::Whole => None,
        End::Truncated { at, left } => Some(format!(
            "the file is cut: {left} bytes from byte {at} on are no whole frame"
        )),
        End::Damaged { at, why } => Some(format!("the file is damaged from byte {at} on: {why}")),
    }
}
