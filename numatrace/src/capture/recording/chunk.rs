//! Chunks: what a frame holds, in the order it happened. A chunk is its kind (one byte), its length, and its bytes.

use super::{
    Garbled,
    bytes::{self, Bytes},
};

/// What a chunk is about. Numbers are never reused.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkKind {
    /// The machine, the session and its hooks, as it began.
    Opening = 1,
    /// What was asked of `/proc`, and the answers, in order; for the chunk behind it.
    Facts = 2,
    /// Records of the ring.
    Records = 3,
    /// A sweep of the totals.
    Sweep = 4,
    /// It was looked where memory lies.
    Residency = 5,
    /// The first cut.
    Begin = 6,
    /// A later cut: an interval or the session ends.
    Boundary = 7,
    /// Runs that were under way at the end.
    OpenRuns = 8,
    /// Addresses of user stacks.
    Stacks = 9,
    /// Names of their functions.
    Frames = 10,
    /// A report was made: what it is made of beside all this.
    Report = 11,
    /// Everything before, summed up: what was dropped is in it.
    Base = 12,
    /// From here to the next `Base` nothing was kept.
    Gap = 13,
    /// Mappings that were made.
    Made = 14,
    /// It could be said whose.
    Settle = 15,
    /// Build ids of files with code in them.
    BuildIds = 16,
    /// What time it was.
    Time = 17,
}

impl ChunkKind {
    const ALL: [ChunkKind; 17] = [
        ChunkKind::Opening,
        ChunkKind::Facts,
        ChunkKind::Records,
        ChunkKind::Sweep,
        ChunkKind::Residency,
        ChunkKind::Begin,
        ChunkKind::Boundary,
        ChunkKind::OpenRuns,
        ChunkKind::Stacks,
        ChunkKind::Frames,
        ChunkKind::Report,
        ChunkKind::Base,
        ChunkKind::Gap,
        ChunkKind::Made,
        ChunkKind::Settle,
        ChunkKind::BuildIds,
        ChunkKind::Time,
    ];
}

/// Appends a chunk.
pub fn put(out: &mut Vec<u8>, kind: ChunkKind, body: &[u8]) {
    out.push(kind as u8);
    bytes::put_part(out, body);
}

/// A chunk: its kind, or the number of one that this version does not know, and its body.
pub type Found<'a> = (Result<ChunkKind, u8>, &'a [u8]);

/// The next chunk of a frame; `None` at its end. A kind that this version does not know comes as its number.
///
/// # Errors
/// The frame ends within it.
pub fn next<'a>(from: &mut Bytes<'a>) -> Result<Option<Found<'a>>, Garbled> {
    if from.0.is_empty() {
        return Ok(None);
    }
    let number = from.take(1)?.first().copied().unwrap_or(0);
    let kind = ChunkKind::ALL
        .into_iter()
        .find(|kind| *kind as u8 == number)
        .ok_or(number);
    Ok(Some((kind, from.part()?)))
}
