//! Chunks: the contents of a frame, in the order of events. A chunk is its kind (one byte), its
//! length, and its bytes.

use super::{
    Garbled,
    bytes::{self, Bytes},
};

/// The kind of a chunk. Numbers are never reused.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkKind {
    /// The machine, the session and its hooks at the start.
    Opening = 1,
    /// Questions to `/proc` and their answers, in order, for the next chunk.
    Facts = 2,
    /// Records of the ring.
    Records = 3,
    /// A sweep of the totals.
    Sweep = 4,
    /// Readings of where the memory of processes lies; empty where facts hold them.
    Residency = 5,
    /// The first boundary: the session begins.
    Begin = 6,
    /// A later boundary: an interval or the session ends.
    Boundary = 7,
    /// Runs that were open at the end.
    OpenRuns = 8,
    /// Addresses of user stacks.
    Stacks = 9,
    /// Function names of those addresses.
    Frames = 10,
    /// A report was made: its parts that no other chunk has.
    Report = 11,
    /// The ingest's state: the sum of everything before, including dropped chunks.
    Base = 12,
    /// Nothing was recorded from here to the next `Base`.
    Gap = 13,
    /// Records of mappings.
    MappingRecords = 14,
    /// Pending mappings were assigned to their processes.
    AssignMappings = 15,
    /// Build ids of files with code in them.
    BuildIds = 16,
    /// The time.
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
        ChunkKind::MappingRecords,
        ChunkKind::AssignMappings,
        ChunkKind::BuildIds,
        ChunkKind::Time,
    ];
}

/// Appends a chunk.
pub fn put(out: &mut Vec<u8>, kind: ChunkKind, body: &[u8]) {
    out.push(kind as u8);
    bytes::put_part(out, body);
}

/// A chunk: its kind, or the number of an unknown kind, and its body.
pub type Found<'a> = (Result<ChunkKind, u8>, &'a [u8]);

/// Reads the next chunk of a frame; `None` at its end. An unknown kind is returned as its number.
///
/// # Errors
/// The frame ends within the chunk.
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
