//! Writes the input of a session into a recording while the session takes it in.
//!
//! A recorder never stops a session: when it cannot write, the recording ends, and
//! [`Recorder::trouble`] says why. What does not fit into a limit is replaced by the state of the
//! session after it, with as many details as there is room for.

use std::{io, path::Path};

use super::{
    chunks::{self, Made, Opening, Resolved, Sample},
    files::{Files, Limit, Room},
    seen_code::SeenCode,
};
use crate::{
    capture::{
        RawRecord,
        recording::{frame::Packed, records::Batch},
    },
    decode::event::{Body, Event},
    enrich::facts::{
        ProcFacts,
        noted::{Fact, Noted},
    },
    exit::Failure,
    ingest::{Ingest, economy::Economy, input::Input},
    label::symbol::Symbols,
};

/// Largest number of records in one chunk. Facts that records need are kept in memory until the
/// chunk of those records is written behind them.
const CHUNK_RECORDS: usize = 32_768;
/// Bytes of chunks that make a frame. A sweep ends a frame, too, so a recorder that is killed loses
/// at most a second.
const FRAME_BYTES: usize = 1 << 20;
/// Part of a limit that a frame takes at most, before compression.
const FRAMES: u64 = 8;
/// Bytes of a record, about, before compression.
const RECORD_BYTES: usize = 16;

/// States after which one tries to leave out less than the one before.
const TRIES: u32 = 16;

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
    /// Bytes of chunks that make a frame.
    frame_bytes: usize,
    /// Details that the last state left out.
    economy: Economy,
    /// States that were made.
    states: u32,
    /// A frame is missing: the next one is replaced by a state.
    behind: bool,
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
            frame_bytes: frame_bytes(limit),
            economy: Economy::default(),
            states: 0,
            behind: false,
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
    pub fn opened(&mut self, opening: Opening, ingest: &mut LiveIngest) {
        let mut start = Vec::new();
        chunks::put_opening(&mut start, &opening);
        let placed = self.files.place();
        self.note(placed);
        // The end of the session has the same facts about it.
        let packed = self.files.pack(&start);
        let reserved = packed.map(|packed| self.files.reserve_for_end(&packed));
        self.note(reserved);
        self.chunks.extend(start);
        self.opening = Some(opening);
        self.flush(Some(ingest));
    }

    /// Writes a record that the session has taken in. `addresses` returns those of a stack.
    pub fn record(
        &mut self,
        raw: RawRecord<'_>,
        event: Option<&Event>,
        addresses: impl Fn(u32) -> Option<Vec<u64>>,
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
        if let Some(event) = event {
            self.code.seen(event, addresses);
        }
        if self.behind {
            return;
        }
        self.batch.push(raw);
        if self.batch.len() >= CHUNK_RECORDS.min(self.frame_bytes / RECORD_BYTES) {
            self.end_records(ingest);
            // States are made at sweeps: they take time, in which further records arrive.
            if self.opening.is_some() && self.chunks.len() >= self.frame_bytes {
                self.flush(None);
            }
        }
    }

    /// Prepares for input that is about to be taken in.
    pub fn before(&mut self, ingest: &mut LiveIngest) {
        self.end_records(ingest);
    }

    /// Writes input that the session has taken in.
    pub fn input(&mut self, input: &Input, sample: Option<&Sample>, ingest: &mut LiveIngest) {
        let facts = ingest.enrich.facts.take();
        if let Some(sample) = sample {
            self.sample.clone_from(sample);
        }
        if self.skipping && matches!(input, Input::OpenRuns(_)) {
            // The session ends: its sums are written in any case.
            return self.resume(ingest);
        }
        if self.idle() {
            return;
        }
        chunks::put_facts(&mut self.chunks, &facts);
        chunks::put_input(&mut self.chunks, input, sample);
        // A state can replace what does not fit until the report takes the counts.
        let closing = self.files.limit().is_some() && ingest.is_closing();
        if self.opening.is_none() {
            return;
        }
        if sample.is_some() || closing {
            self.flush(Some(ingest));
            self.roll(ingest);
        } else if self.chunks.len() >= self.frame_bytes {
            self.flush(None);
        }
    }

    /// Writes a report that the session has made; the last one completes the recording.
    pub fn reported(&mut self, made: &Made, resolved: &[Resolved], ingest: &mut LiveIngest) {
        let facts = self.end_batch(ingest);
        if self.idle() {
            return;
        }
        let before = std::mem::take(&mut self.chunks);
        if made.another_follows && self.behind {
            return;
        }
        let with = |facts: &[Fact], resolved: &[Resolved]| {
            let mut chunks = before.clone();
            chunks::put_facts(&mut chunks, facts);
            chunks::put_frames(&mut chunks, resolved);
            chunks::put_report(&mut chunks, made);
            chunks
        };
        if made.another_follows {
            let packed = self.files.pack(&with(&facts, resolved));
            match packed.and_then(|packed| self.files.write(&packed)) {
                Ok(Room::Written) => {}
                Ok(Room::Full) => self.skipping = true,
                // The state is of use from the first sweep of the next interval on.
                Ok(Room::Anew) => self.behind = true,
                Err(error) => self.note(Err(error)),
            }
            return;
        }
        let identities = facts
            .iter()
            .filter(|fact| matches!(fact, Fact::Identity(..)));
        let identities: Vec<Fact> = identities.cloned().collect();
        // Without the names of functions, without all facts, without any.
        let parts: [(&[Fact], &[Resolved]); 4] = [
            (&facts, resolved),
            (&facts, &[]),
            (&identities, &[]),
            (&[], &[]),
        ];
        let mut fits = Ok(false);
        for (facts, resolved) in parts {
            fits = self.end(&with(facts, resolved));
            if !matches!(fits, Ok(false)) {
                break;
            }
        }
        let finished = fits.and_then(|fits| {
            let too_small = || io::Error::other("--max-size has no room for the end");
            fits.then_some(()).ok_or_else(too_small)?;
            self.files.finish()
        });
        self.note(finished);
    }

    /// Writes the last frame; returns whether there is room for it.
    fn end(&mut self, chunks: &[u8]) -> io::Result<bool> {
        let packed = self.files.pack(chunks)?;
        self.files.write_end(&packed)
    }

    /// Returns whether nothing is written now.
    fn idle(&self) -> bool {
        self.skipping || self.trouble.is_some()
    }

    /// Appends waiting records, after the facts that they need.
    fn end_records(&mut self, ingest: &mut LiveIngest) {
        let facts = self.end_batch(ingest);
        if !self.idle() {
            chunks::put_facts(&mut self.chunks, &facts);
        }
    }

    /// Appends waiting records, after the facts that they need. Without records it returns the
    /// facts.
    fn end_batch(&mut self, ingest: &mut LiveIngest) -> Vec<Fact> {
        let facts = ingest.enrich.facts.take();
        if self.idle() {
            self.batch.clear();
            self.code.forget_new();
            return Vec::new();
        }
        if self.batch.is_empty() {
            self.code.put_new(&mut self.chunks, &ingest.enrich);
            return facts;
        }
        chunks::put_facts(&mut self.chunks, &facts);
        self.code.put_new(&mut self.chunks, &ingest.enrich);
        chunks::put_records(&mut self.chunks, &self.batch);
        self.batch.clear();
        Vec::new()
    }

    /// Writes a frame. What does not fit is replaced by a state of the session, if there is one;
    /// otherwise the next frame with a session is.
    fn flush(&mut self, ingest: Option<&LiveIngest>) {
        if self.idle() || self.chunks.is_empty() && !self.behind {
            return;
        }
        let chunks = std::mem::take(&mut self.chunks);
        let written = if self.behind {
            Ok(Room::Anew)
        } else {
            let packed = self.files.pack(&chunks);
            packed.and_then(|packed| self.files.write(&packed))
        };
        drop(chunks);
        match written {
            Ok(Room::Written) => {}
            Ok(Room::Full) => self.skipping = true,
            Ok(Room::Anew) => {
                self.behind = ingest.is_none();
                if let Some(ingest) = ingest {
                    let begun = self
                        .state(false, ingest)
                        .and_then(|state| self.files.begin_anew(&state));
                    self.note(begun);
                }
            }
            Err(error) => self.note(Err(error)),
        }
    }

    /// Begins the file that will replace the current one, when that is half full.
    fn roll(&mut self, ingest: &LiveIngest) {
        if self.idle() || ingest.is_closing() || !self.files.wants_next() {
            return;
        }
        let begun = self
            .state(false, ingest)
            .and_then(|state| self.files.begin_next(&state));
        self.note(begun);
    }

    /// Writes the state of the session after a gap.
    fn resume(&mut self, ingest: &LiveIngest) {
        if self.trouble.is_some() {
            return;
        }
        self.skipping = false;
        let written = self
            .state(true, ingest)
            .and_then(|state| self.files.write_end(&state));
        self.note(written.and_then(|fits| {
            let too_small = || io::Error::other("--max-size has no room for the sums");
            fits.then_some(()).ok_or_else(too_small)
        }));
    }

    /// Returns a frame with the state of the session, as much of it as there is room for. A
    /// recording begins with it when earlier records are not kept.
    fn state(&mut self, after_gap: bool, ingest: &LiveIngest) -> io::Result<Packed> {
        // Parts that had no room may have ended; to try takes time, and a storm has none.
        self.states = self.states.wrapping_add(1);
        let first = if self.states.is_multiple_of(TRIES) {
            self.economy.milder()
        } else {
            self.economy
        };
        for economy in Economy::ALL.into_iter().filter(|step| *step >= first) {
            let chunks = self.start(after_gap, economy, ingest)?;
            // Chunks too large for a frame are too large for the file.
            let Ok(packed) = self.files.pack(&chunks) else {
                continue;
            };
            if self.files.is_state(&packed) {
                self.economy = economy;
                if economy >= Economy::Memory {
                    self.code = SeenCode::default();
                }
                return Ok(packed);
            }
        }
        Err(io::Error::other(
            "--max-size has no room for the sums of the session",
        ))
    }

    /// Returns the chunks of such a frame.
    fn start(&self, after_gap: bool, economy: Economy, ingest: &LiveIngest) -> io::Result<Vec<u8>> {
        let mut start = Vec::new();
        if after_gap {
            chunks::put_gap(&mut start);
        }
        if let Some(opening) = &self.opening {
            chunks::put_opening(&mut start, opening);
        }
        let base = ingest.base(economy).map_err(io::Error::other)?;
        chunks::put_base(&mut start, &self.sample, &base);
        if economy < Economy::Memory {
            self.code.put_all(&mut start);
        }
        Ok(start)
    }

    fn note(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.trouble.get_or_insert_with(|| error.to_string());
        }
    }
}

/// Returns the bytes of chunks that make a frame.
fn frame_bytes(limit: Option<Limit>) -> usize {
    let most = limit.map(|limit| usize::try_from(limit.bytes / FRAMES).unwrap_or(usize::MAX));
    most.map_or(FRAME_BYTES, |most| most.min(FRAME_BYTES))
}
