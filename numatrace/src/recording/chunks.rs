//! What a recording holds, one thing after the other, and how each is written.
//!
//! Records and counts are columns; what is seldom and has many fields is MessagePack with their names, so that later versions can add some.

use bytemuck::Pod;
use numatrace_common::event::{
    fill_run::FillRun,
    mapping_run::{TouchRun, UseRun},
    pages_moved::PagesMoved,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    capture::{
        boundary::{BoundaryReading, Grown},
        recording::{
            Garbled,
            bytes::{self, Bytes},
            chunk::{self, ChunkKind},
            records::{self, Batch},
            sweep,
        },
        totals::Sweep,
    },
    decode::mapping_run::FileId,
    enrich::{facts::noted::Fact, process::ProcessIndex},
    ingest::{
        input::{Input, OpenRuns},
        session_info::SessionInfo,
    },
    model::Frame,
};

/// When it was, and what had grown by then: where a recording may end, and what is known of losses there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sample {
    /// Ns since boot.
    pub at_ns: u64,
    /// Losses up to there.
    pub grown: Grown,
}

/// A stack whose functions were looked up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// The kernel's number of the stack.
    pub number: u32,
    /// In which process; `None` for the kernel's own.
    pub process: Option<ProcessIndex>,
    /// Its addresses, innermost first: the run it is of may have been open to the end, and so in no record.
    #[serde(default)]
    pub addresses: Vec<u64>,
    /// The frames, innermost first.
    pub frames: Vec<Frame>,
    /// Why some may be missing at its outer end.
    #[serde(default)]
    pub short: Option<String>,
}

/// How a session began.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Opening {
    /// The machine, the session, its hooks.
    pub told: SessionInfo,
    /// When counting began, ns since boot.
    pub began_ns: u64,
}

/// What a report was made of beside the rest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Made {
    /// The machine, the session, its hooks.
    pub told: SessionInfo,
    /// Another interval follows.
    pub goes_on: bool,
}

/// One thing out of a recording.
#[derive(Debug)]
pub enum Chunk<'a> {
    /// How it began.
    Opening(Box<Opening>),
    /// Answers to the questions that the next thing raises.
    Facts(Vec<Fact>),
    /// Records of the ring, still packed: see [`records::each`].
    Records(Bytes<'a>),
    /// Anything else that is taken in.
    Input(Box<Input>, Option<Sample>),
    /// Addresses of stacks by their number.
    Stacks(Vec<(u32, Vec<u64>)>),
    /// Which builds of files their addresses are in.
    BuildIds(Vec<(FileId, String)>),
    /// Names of their functions.
    Frames(Vec<Resolved>),
    /// A report was made.
    Report(Box<Made>),
    /// All before, summed up.
    Base(Sample, &'a [u8]),
    /// What follows was left out, up to the next base.
    Gap,
    /// A later version's.
    Unknown,
}

/// A value as MessagePack. It cannot fail: there are no values in the model that have none.
fn packed(value: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec_named(value).unwrap_or_default()
}

fn unpacked<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Garbled> {
    rmp_serde::from_slice(bytes)
        .map_err(|_| Garbled("a part does not read as what it is said to be"))
}

/// Appends how it began.
pub fn put_opening(out: &mut Vec<u8>, opening: &Opening) {
    chunk::put(out, ChunkKind::Opening, &packed(opening));
}

/// Appends facts, if there are any.
pub fn put_facts(out: &mut Vec<u8>, facts: &[Fact]) {
    if !facts.is_empty() {
        chunk::put(out, ChunkKind::Facts, &packed(&facts));
    }
}

/// Appends records.
pub fn put_records(out: &mut Vec<u8>, batch: &Batch) {
    let mut body = Vec::new();
    records::put(&mut body, batch);
    chunk::put(out, ChunkKind::Records, &body);
}

/// Appends what is taken in.
pub fn put_input(out: &mut Vec<u8>, input: &Input, sample: Option<&Sample>) {
    let mut body = Vec::new();
    let kind = match input {
        Input::Time(now_ns) => {
            bytes::put(&mut body, *now_ns);
            ChunkKind::Time
        }
        Input::Sweep(counts) => {
            bytes::put_part(&mut body, &packed(&sample));
            sweep::put(&mut body, counts);
            ChunkKind::Sweep
        }
        Input::Made(made, senseless) => {
            body = packed(&(made, senseless));
            ChunkKind::MappingsMade
        }
        Input::Settle => ChunkKind::AttributeMappings,
        Input::Residency => ChunkKind::Residency,
        Input::Begin(reading, edge) | Input::Boundary(reading, edge) => {
            bytes::put_part(&mut body, &packed(reading));
            sweep::put(&mut body, edge);
            match input {
                Input::Begin(..) => ChunkKind::Begin,
                _ => ChunkKind::Boundary,
            }
        }
        Input::OpenRuns(open) => {
            bytes::put(&mut body, open.now_ns);
            bytes::put_part(&mut body, bytemuck::cast_slice(&open.touches));
            bytes::put_part(&mut body, bytemuck::cast_slice(&open.uses));
            bytes::put_part(&mut body, bytemuck::cast_slice(&open.fills));
            bytes::put_part(&mut body, bytemuck::cast_slice(&open.moves));
            ChunkKind::OpenRuns
        }
    };
    chunk::put(out, kind, &body);
}

/// Appends addresses of stacks, if there are any.
pub fn put_stacks(out: &mut Vec<u8>, stacks: &[(u32, Vec<u64>)]) {
    if !stacks.is_empty() {
        chunk::put(out, ChunkKind::Stacks, &packed(&stacks));
    }
}

/// Appends builds of files, if there are any.
pub fn put_build_ids(out: &mut Vec<u8>, ids: &[(FileId, String)]) {
    if !ids.is_empty() {
        chunk::put(out, ChunkKind::BuildIds, &packed(&ids));
    }
}

/// Appends names of functions, if there are any.
pub fn put_frames(out: &mut Vec<u8>, frames: &[Resolved]) {
    if !frames.is_empty() {
        chunk::put(out, ChunkKind::Frames, &packed(&frames));
    }
}

/// Appends that a report was made.
pub fn put_report(out: &mut Vec<u8>, made: &Made) {
    chunk::put(out, ChunkKind::Report, &packed(made));
}

/// Appends all that was taken in so far.
pub fn put_base(out: &mut Vec<u8>, sample: &Sample, base: &[u8]) {
    let mut body = Vec::new();
    bytes::put_part(&mut body, &packed(sample));
    body.extend_from_slice(base);
    chunk::put(out, ChunkKind::Base, &body);
}

/// Appends that what follows was left out.
pub fn put_gap(out: &mut Vec<u8>) {
    chunk::put(out, ChunkKind::Gap, &[]);
}

/// The next thing of a frame; `None` at its end.
///
/// # Errors
/// The frame holds something else.
pub fn next<'a>(from: &mut Bytes<'a>) -> Result<Option<Chunk<'a>>, Garbled> {
    let Some((kind, body)) = chunk::next(from)? else {
        return Ok(None);
    };
    let Ok(kind) = kind else {
        return Ok(Some(Chunk::Unknown));
    };
    let mut rest = Bytes(body);
    Ok(Some(match kind {
        ChunkKind::Opening => Chunk::Opening(Box::new(unpacked(body)?)),
        ChunkKind::Facts => Chunk::Facts(unpacked(body)?),
        ChunkKind::Records => Chunk::Records(rest),
        ChunkKind::Time => Chunk::Input(Box::new(Input::Time(rest.number()?)), None),
        ChunkKind::Sweep => {
            let sample = unpacked(rest.part()?)?;
            Chunk::Input(Box::new(Input::Sweep(sweep::read(rest)?)), sample)
        }
        ChunkKind::MappingsMade => {
            let (made, senseless) = unpacked(body)?;
            Chunk::Input(Box::new(Input::Made(made, senseless)), None)
        }
        ChunkKind::AttributeMappings => Chunk::Input(Box::new(Input::Settle), None),
        ChunkKind::Residency => Chunk::Input(Box::new(Input::Residency), None),
        ChunkKind::Begin => {
            let (reading, edge) = cut(rest)?;
            Chunk::Input(Box::new(Input::Begin(reading, edge)), None)
        }
        ChunkKind::Boundary => {
            let (reading, edge) = cut(rest)?;
            Chunk::Input(Box::new(Input::Boundary(reading, edge)), None)
        }
        ChunkKind::OpenRuns => {
            let open = OpenRuns {
                now_ns: rest.number()?,
                touches: pods::<TouchRun>(rest.part()?),
                uses: pods::<UseRun>(rest.part()?),
                fills: later::<FillRun>(&mut rest)?,
                moves: later::<PagesMoved>(&mut rest)?,
            };
            Chunk::Input(Box::new(Input::OpenRuns(open)), None)
        }
        ChunkKind::Stacks => Chunk::Stacks(unpacked(body)?),
        ChunkKind::BuildIds => Chunk::BuildIds(unpacked(body)?),
        ChunkKind::Frames => Chunk::Frames(unpacked(body)?),
        ChunkKind::Report => Chunk::Report(Box::new(unpacked(body)?)),
        ChunkKind::Base => {
            let sample = unpacked(rest.part()?)?;
            Chunk::Base(sample, rest.0)
        }
        ChunkKind::Gap => Chunk::Gap,
    }))
}

fn cut(mut from: Bytes<'_>) -> Result<(BoundaryReading, Sweep), Garbled> {
    Ok((unpacked(from.part()?)?, sweep::read(from)?))
}

/// The next part, which recordings of before it was written do not have.
fn later<T: Pod>(rest: &mut Bytes<'_>) -> Result<Vec<T>, Garbled> {
    if rest.0.is_empty() {
        return Ok(Vec::new());
    }
    Ok(pods(rest.part()?))
}

/// Values of a fixed size, as many as fit.
fn pods<T: Pod>(bytes: &[u8]) -> Vec<T> {
    let values = bytes.chunks_exact(size_of::<T>());
    values.map(bytemuck::pod_read_unaligned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Zeroable as _;

    fn read(written: &[u8]) -> OpenRuns {
        match next(&mut Bytes(written)).unwrap() {
            Some(Chunk::Input(input, _)) => match *input {
                Input::OpenRuns(open) => open,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn open_runs_read_back_and_so_do_those_of_before_there_were_so_many_kinds() {
        let open = OpenRuns {
            now_ns: 7,
            touches: vec![TouchRun::zeroed()],
            uses: vec![UseRun::zeroed(); 2],
            fills: vec![FillRun::zeroed()],
            moves: vec![PagesMoved {
                pages: 512,
                ..PagesMoved::zeroed()
            }],
        };
        let mut written = Vec::new();
        put_input(&mut written, &Input::OpenRuns(open.clone()), None);
        assert_eq!(read(&written), open);

        let mut body = Vec::new();
        bytes::put(&mut body, open.now_ns);
        bytes::put_part(&mut body, bytemuck::cast_slice(&open.touches));
        bytes::put_part(&mut body, bytemuck::cast_slice(&open.uses));
        let mut early = Vec::new();
        chunk::put(&mut early, ChunkKind::OpenRuns, &body);
        let expected = OpenRuns {
            fills: Vec::new(),
            moves: Vec::new(),
            ..open
        };
        assert_eq!(read(&early), expected);
    }
}
