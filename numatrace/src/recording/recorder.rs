//! Writes down what a session takes in, as it does.
//!
//! A recorder never stops a session: what cannot be written ends the recording, and [`Recorder::trouble`] says why.

use std::{io, path::Path};

use super::{
    chunks::{self, Made, Opening, Resolved, Sample},
    files::{Files, Limit, Room},
    seen_code::SeenCode,
};
use crate::{
    capture::{RawRecord, recording::records::Batch, stacks::Stacks},
    decode::event::Event,
    enrich::facts::{ProcFacts, noted::Noted},
    exit::Failure,
    ingest::{Ingest, input::Input},
};

/// Records of one chunk. Facts that they make a session ask for wait for them, so it must not be many.
const RECORDS: usize = 32_768;
/// Bytes of chunks that make a frame; a sweep ends one too, so a recorder that is killed loses a second at most.
const FRAME: usize = 1 << 20;

/// What a live session takes in.
type Live = Ingest<Noted<ProcFacts>>;

/// A recording that is being written.
pub struct Recorder {
    files: Files,
    chunks: Vec<u8>,
    batch: Batch,
    code: SeenCode,
    opening: Option<Opening>,
    sample: Sample,
    /// There was no room any more: nothing is written until the end.
    skipping: bool,
    trouble: Option<String>,
}

impl Recorder {
    /// Opens the file beside its path: an older recording there stays until the session has begun.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn open(path: &Path, limit: Option<Limit>) -> Result<Self, Failure> {
        Ok(Self {
            files: Files::open(path, limit)?,
            chunks: Vec::new(),
            batch: Batch::default(),
            code: SeenCode::default(),
            opening: None,
            sample: Sample::default(),
            skipping: false,
            trouble: None,
        })
    }

    /// Why nothing is written any more.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// The limit was reached, and the beginning is to be kept.
    pub fn is_full(&self) -> bool {
        self.skipping
    }

    /// Bytes of the recording.
    pub fn written(&self) -> u64 {
        self.files.written()
    }

    /// The session has begun.
    pub fn opened(&mut self, opening: Opening) {
        chunks::put_opening(&mut self.chunks, &opening);
        self.opening = Some(opening);
        let placed = self.files.place();
        self.note(placed);
        self.flush();
    }

    /// A record was taken in.
    pub fn record(
        &mut self,
        raw: RawRecord<'_>,
        event: Option<&Event>,
        stacks: &Stacks,
        ingest: &mut Live,
    ) {
        if self.idle() {
            return;
        }
        self.batch.push(raw);
        if let Some(event) = event {
            self.code.seen(event, stacks);
        }
        if self.batch.len() >= RECORDS {
            self.end_records(ingest);
            if self.chunks.len() >= FRAME {
                self.flush();
                self.roll(ingest);
            }
        }
    }

    /// Something else is about to be taken in.
    pub fn before(&mut self, input: &Input, ingest: &mut Live) {
        let last = matches!(input, Input::Boundary(reading, _) if !reading.goes_on);
        if self.skipping && last && self.trouble.is_none() {
            self.resume(ingest);
        }
        self.end_records(ingest);
    }

    /// It was.
    pub fn input(&mut self, input: &Input, sample: Option<&Sample>, ingest: &mut Live) {
        let facts = ingest.enrich.facts.take();
        if let Some(sample) = sample {
            self.sample.clone_from(sample);
        }
        if self.idle() {
            return;
        }
        chunks::put_facts(&mut self.chunks, &facts);
        chunks::put_input(&mut self.chunks, input, sample);
        if self.opening.is_some() && (sample.is_some() || self.chunks.len() >= FRAME) {
            self.flush();
            self.roll(ingest);
        }
    }

    /// A report was made.
    pub fn reported(&mut self, made: &Made, resolved: &[Resolved], ingest: &mut Live) {
        self.end_records(ingest);
        if self.idle() {
            return;
        }
        chunks::put_frames(&mut self.chunks, resolved);
        chunks::put_report(&mut self.chunks, made);
        self.flush();
        if !made.goes_on {
            let finished = self.files.finish();
            self.note(finished);
        }
    }

    /// Nothing is written, for whatever reason.
    fn idle(&self) -> bool {
        self.skipping || self.trouble.is_some()
    }

    /// Appends records that wait, after what they made the session ask.
    fn end_records(&mut self, ingest: &mut Live) {
        let facts = ingest.enrich.facts.take();
        if self.idle() {
            self.batch.clear();
            self.code.forget_new();
            return;
        }
        chunks::put_facts(&mut self.chunks, &facts);
        self.code.put_new(&mut self.chunks, &ingest.enrich);
        if !self.batch.is_empty() {
            chunks::put_records(&mut self.chunks, &self.batch);
            self.batch.clear();
        }
    }

    /// Writes a frame.
    fn flush(&mut self) {
        if self.chunks.is_empty() || self.idle() {
            return;
        }
        let written = self.files.write(&self.chunks);
        self.chunks.clear();
        match written {
            Ok(Room::Written) => {}
            Ok(Room::Full) => self.skipping = true,
            Err(error) => self.note(Err(error)),
        }
    }

    /// Begins the file that will take the place of this one, when that is half full.
    fn roll(&mut self, ingest: &Live) {
        if self.idle() || ingest.is_closing() || !self.files.wants_next() {
            return;
        }
        let begun = self
            .start(ingest)
            .and_then(|chunks| self.files.begin_next(&chunks));
        self.note(begun);
    }

    /// Goes on after a gap.
    fn resume(&mut self, ingest: &mut Live) {
        // What was asked meanwhile is in the base.
        drop(ingest.enrich.facts.take());
        self.skipping = false;
        self.files.lift_limit();
        chunks::put_gap(&mut self.chunks);
        match self.start(ingest) {
            Ok(start) => self.chunks.extend(start),
            Err(error) => self.note(Err(error)),
        }
    }

    /// What a recording begins with where the records before are not kept.
    fn start(&self, ingest: &Live) -> io::Result<Vec<u8>> {
        let mut start = Vec::new();
        if let Some(opening) = &self.opening {
            chunks::put_opening(&mut start, opening);
        }
        let base = ingest.base().map_err(io::Error::other)?;
        chunks::put_base(&mut start, &self.sample, &base);
        self.code.put_all(&mut start);
        Ok(start)
    }

    fn note(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.trouble.get_or_insert_with(|| error.to_string());
        }
    }
}
