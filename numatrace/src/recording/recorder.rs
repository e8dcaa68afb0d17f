//! Writes the input of a session into a recording while the session takes it in.
//!
//! A recorder never stops a session: when it cannot write, the recording ends, and
//! [`Recorder::trouble`] says why.

use std::{io, path::Path};

use super::{
    chunks::{self, Made, Opening, Resolved, Sample},
    files::{Files, Limit, Room},
    seen_code::SeenCode,
};
use crate::{
    capture::{RawRecord, recording::records::Batch, stacks::Stacks},
    decode::event::{Body, Event},
    enrich::facts::{ProcFacts, noted::Noted},
    exit::Failure,
    ingest::{Ingest, input::Input},
    label::symbol::Symbols,
};

/// Largest number of records in one chunk. Facts that records need are kept in memory until the
/// chunk of those records is written behind them.
const CHUNK_RECORDS: usize = 32_768;
/// Bytes of chunks that make a frame. A sweep ends a frame, too, so a recorder that is killed loses
/// at most a second.
const FRAME_BYTES: usize = 1 << 20;

/// Ingest of a live session, which notes the facts that it reads.
type LiveIngest = Ingest<Noted<ProcFacts>>;

/// A recording that is being written.
pub struct Recorder {
    files: Files,
    chunks: Vec<u8>,
    batch: Batch,
    code: SeenCode,
    opening: Option<Opening>,
    sample: Sample,
    /// The limit was reached: nothing is written until the end.
    skipping: bool,
    trouble: Option<String>,
}

impl Recorder {
    /// Opens a file in the folder of the path: an older recording at the path stays until the
    /// session has begun. Build ids of files with code are read with `symbols`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn open(path: &Path, limit: Option<Limit>, symbols: Symbols) -> Result<Self, Failure> {
        Ok(Self {
            files: Files::open(path, limit)?,
            chunks: Vec::new(),
            batch: Batch::default(),
            code: SeenCode::with(symbols),
            opening: None,
            sample: Sample::default(),
            skipping: false,
            trouble: None,
        })
    }

    /// Returns why nothing is written any more; `None` while all is well.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Returns whether the limit was reached while keeping the first part.
    pub fn is_full(&self) -> bool {
        self.skipping
    }

    /// Returns the size of the recording, bytes.
    pub fn written(&self) -> u64 {
        self.files.written()
    }

    /// Writes the start of the session, and puts the file at its path.
    pub fn opened(&mut self, opening: Opening) {
        chunks::put_opening(&mut self.chunks, &opening);
        self.opening = Some(opening);
        let placed = self.files.place();
        self.note(placed);
        self.flush();
    }

    /// Writes a record that the session has taken in.
    pub fn record(
        &mut self,
        raw: RawRecord<'_>,
        event: Option<&Event>,
        stacks: &Stacks,
        ingest: &mut LiveIngest,
    ) {
        if self.idle() {
            return;
        }
        if let Some(Event {
            body: Body::MoveStack(_),
            ..
        }) = event
        {
            // The session has compared it already, and its addresses are the kernel's.
            return;
        }
        self.batch.push(raw);
        if let Some(event) = event {
            self.code.seen(event, stacks);
        }
        if self.batch.len() >= CHUNK_RECORDS {
            self.end_records(ingest);
            if self.chunks.len() >= FRAME_BYTES {
                self.flush();
                self.roll(ingest);
            }
        }
    }

    /// Prepares for input that is about to be taken in. Before the boundary that ends the session,
    /// a full recording resumes: its end is written in any case.
    pub fn before(&mut self, input: &Input, ingest: &mut LiveIngest) {
        let last = matches!(input, Input::Boundary(reading, _) if !reading.another_follows);
        if self.skipping && last && self.trouble.is_none() {
            self.resume(ingest);
        }
        self.end_records(ingest);
    }

    /// Writes input that the session has taken in.
    pub fn input(&mut self, input: &Input, sample: Option<&Sample>, ingest: &mut LiveIngest) {
        let facts = ingest.enrich.facts.take();
        if let Some(sample) = sample {
            self.sample.clone_from(sample);
        }
        if self.idle() {
            return;
        }
        chunks::put_facts(&mut self.chunks, &facts);
        chunks::put_input(&mut self.chunks, input, sample);
        if self.opening.is_some() && (sample.is_some() || self.chunks.len() >= FRAME_BYTES) {
            self.flush();
            self.roll(ingest);
        }
    }

    /// Writes a report that the session has made; the last one completes the recording.
    pub fn reported(&mut self, made: &Made, resolved: &[Resolved], ingest: &mut LiveIngest) {
        self.end_records(ingest);
        if self.idle() {
            return;
        }
        chunks::put_frames(&mut self.chunks, resolved);
        chunks::put_report(&mut self.chunks, made);
        self.flush();
        if !made.another_follows {
            let finished = self.files.finish();
            self.note(finished);
        }
    }

    /// Returns whether nothing is written now.
    fn idle(&self) -> bool {
        self.skipping || self.trouble.is_some()
    }

    /// Appends waiting records, after the facts that they need.
    fn end_records(&mut self, ingest: &mut LiveIngest) {
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

    /// Begins the file that will replace the current one, when that is half full.
    fn roll(&mut self, ingest: &LiveIngest) {
        if self.idle() || ingest.is_closing() || !self.files.wants_next() {
            return;
        }
        let begun = self
            .start(ingest)
            .and_then(|chunks| self.files.begin_next(&chunks));
        self.note(begun);
    }

    /// Resumes writing after a gap.
    fn resume(&mut self, ingest: &mut LiveIngest) {
        // Facts that were read meanwhile are part of the base.
        drop(ingest.enrich.facts.take());
        self.skipping = false;
        self.files.lift_limit();
        chunks::put_gap(&mut self.chunks);
        match self.start(ingest) {
            Ok(start) => self.chunks.extend(start),
            Err(error) => self.note(Err(error)),
        }
    }

    /// Returns the chunks with which a recording begins when earlier records are not kept.
    fn start(&self, ingest: &LiveIngest) -> io::Result<Vec<u8>> {
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
