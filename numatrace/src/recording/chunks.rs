//! The chunks of a recording: their contents, and how each is written and read.
//!
//! Records and counts are columns. Rare values with many fields are MessagePack with field names,
//! so that later versions can add fields. Names of fields are part of the format: a renamed field
//! keeps its name on the wire with `serde(rename)`.

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
            budget::Budget,
            bytes::{self, Bytes},
            chunk::{self, ChunkKind},
            records::{self, Batch},
            sweep,
        },
        totals::Sweep,
    },
    decode::mapping_run::FileId,
    enrich::{facts::noted::Fact, process::ProcessIndex},
    ingest::input::{Input, OpenRuns},
    label::session_info::SessionInfo,
    model::Frame,
};

/// Time and growing counts at a sweep: a recording may end there, and its losses up to then are
/// known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sample {
    /// Time, ns since boot.
    pub at_ns: u64,
    /// Counts that grow from the start of the session, losses above all.
    pub grown: Grown,
}

/// A stack with the names of its functions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// The kernel's stack id.
    pub number: u32,
    /// Process of a user stack; `None` for a kernel stack.
    pub process: Option<ProcessIndex>,
    /// Addresses of a user stack, innermost first. The run that refers to the stack may have been
    /// open until the end, and so be in no record.
    #[serde(default)]
    pub addresses: Vec<u64>,
    /// Frames, innermost first.
    pub frames: Vec<Frame>,
    /// Why frames may be missing at the outer end; `None` for a whole stack.
    #[serde(default)]
    pub short: Option<String>,
}

/// Start of a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Opening {
    /// Facts about the session.
    #[serde(rename = "told")]
    pub info: SessionInfo,
    /// Start of counting, ns since boot.
    pub began_ns: u64,
}

/// A report that the session made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Made {
    /// Facts about the session or interval.
    #[serde(rename = "told")]
    pub info: SessionInfo,
    /// Another interval follows.
    #[serde(rename = "goes_on")]
    pub another_follows: bool,
}

/// One chunk of a recording.
#[derive(Debug)]
pub enum Chunk<'a> {
    /// Start of the session.
    Opening(Box<Opening>),
    /// Facts about the machine that the next chunk needs.
    Facts(Vec<Fact>),
    /// Records of the ring buffer, still packed: see [`records::each`].
    Records(Bytes<'a>),
    /// Other input of the session, and with a sweep its sample.
    Input(Box<Input>, Option<Sample>),
    /// Addresses of stacks by stack id.
    Stacks(Vec<(u32, Vec<u64>)>),
    /// Build ids of the files in which these addresses are.
    BuildIds(Vec<(FileId, String)>),
    /// Names of the functions of stacks.
    Frames(Vec<Resolved>),
    /// A report was made.
    Report(Box<Made>),
    /// State of the session so far, for a reader who lacks everything before.
    Base(Sample, &'a [u8]),
    /// Everything from here to the next base was left out.
    Gap,
    /// A chunk of a later version.
    Unknown,
}

/// Returns a value as MessagePack. Every value in the model has that form, so this cannot fail.
fn packed(value: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec_named(value).unwrap_or_default()
}

fn unpacked<T: DeserializeOwned>(bytes: &[u8], budget: &mut Budget) -> Result<T, Garbled> {
    budget.values(bytes)?;
    rmp_serde::from_slice(bytes).map_err(|_| Garbled("a chunk does not hold what its kind says"))
}

/// Appends the start of the session.
pub fn put_opening(out: &mut Vec<u8>, opening: &Opening) {
    chunk::put(out, ChunkKind::Opening, &packed(opening));
}

/// Appends facts, unless there are none.
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

/// Appends input of the session.
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
        Input::MappingRecords(made, rejected) => {
            body = packed(&(made, rejected));
            ChunkKind::MappingRecords
        }
        Input::AssignMappings => ChunkKind::AssignMappings,
        Input::Residency(readings) => {
            body = packed(readings);
            ChunkKind::Residency
        }
        Input::Begin(reading, counts) | Input::Boundary(reading, counts) => {
            bytes::put_part(&mut body, &packed(reading));
            sweep::put(&mut body, counts);
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

/// Appends addresses of stacks, unless there are none.
pub fn put_stacks(out: &mut Vec<u8>, stacks: &[(u32, Vec<u64>)]) {
    if !stacks.is_empty() {
        chunk::put(out, ChunkKind::Stacks, &packed(&stacks));
    }
}

/// Appends build ids of files, unless there are none.
pub fn put_build_ids(out: &mut Vec<u8>, ids: &[(FileId, String)]) {
    if !ids.is_empty() {
        chunk::put(out, ChunkKind::BuildIds, &packed(&ids));
    }
}

/// Appends names of functions, unless there are none.
pub fn put_frames(out: &mut Vec<u8>, frames: &[Resolved]) {
    if !frames.is_empty() {
        chunk::put(out, ChunkKind::Frames, &packed(&frames));
    }
}

/// Appends a report that was made.
pub fn put_report(out: &mut Vec<u8>, made: &Made) {
    chunk::put(out, ChunkKind::Report, &packed(made));
}

/// Appends the state of the session so far.
pub fn put_base(out: &mut Vec<u8>, sample: &Sample, base: &[u8]) {
    let mut body = Vec::new();
    bytes::put_part(&mut body, &packed(sample));
    body.extend_from_slice(base);
    chunk::put(out, ChunkKind::Base, &body);
}

/// Appends the mark of a gap, up to the next base.
pub fn put_gap(out: &mut Vec<u8>) {
    chunk::put(out, ChunkKind::Gap, &[]);
}

/// Returns the next chunk of a frame; `None` at its end.
///
/// # Errors
/// A chunk does not hold what its kind says, or more than the budget allows.
pub fn next<'a>(from: &mut Bytes<'a>, budget: &mut Budget) -> Result<Option<Chunk<'a>>, Garbled> {
    let Some((kind, body)) = chunk::next(from)? else {
        return Ok(None);
    };
    budget.steps(1)?;
    let Ok(kind) = kind else {
        return Ok(Some(Chunk::Unknown));
    };
    let mut rest = Bytes(body);
    Ok(Some(match kind {
        ChunkKind::Opening => Chunk::Opening(Box::new(unpacked(body, budget)?)),
        ChunkKind::Facts => Chunk::Facts(unpacked(body, budget)?),
        ChunkKind::Records => Chunk::Records(rest),
        ChunkKind::Time => Chunk::Input(Box::new(Input::Time(rest.number()?)), None),
        ChunkKind::Sweep => {
            let sample = unpacked(rest.part()?, budget)?;
            Chunk::Input(Box::new(Input::Sweep(sweep::read(rest, budget)?)), sample)
        }
        ChunkKind::MappingRecords => {
            let (made, rejected) = unpacked(body, budget)?;
            Chunk::Input(Box::new(Input::MappingRecords(made, rejected)), None)
        }
        ChunkKind::AssignMappings => Chunk::Input(Box::new(Input::AssignMappings), None),
        // Empty where the readings are among the facts: recordings of the first release.
        ChunkKind::Residency if body.is_empty() => {
            Chunk::Input(Box::new(Input::Residency(Vec::new())), None)
        }
        ChunkKind::Residency => {
            Chunk::Input(Box::new(Input::Residency(unpacked(body, budget)?)), None)
        }
        ChunkKind::Begin => {
            let (reading, counts) = boundary(rest, budget)?;
            Chunk::Input(Box::new(Input::Begin(reading, counts)), None)
        }
        ChunkKind::Boundary => {
            let (reading, counts) = boundary(rest, budget)?;
            Chunk::Input(Box::new(Input::Boundary(reading, counts)), None)
        }
        ChunkKind::OpenRuns => {
            let open = OpenRuns {
                now_ns: rest.number()?,
                touches: pods::<TouchRun>(rest.part()?),
                uses: pods::<UseRun>(rest.part()?),
                fills: added_part::<FillRun>(&mut rest)?,
                moves: added_part::<PagesMoved>(&mut rest)?,
            };
            Chunk::Input(Box::new(Input::OpenRuns(open)), None)
        }
        ChunkKind::Stacks => Chunk::Stacks(unpacked(body, budget)?),
        ChunkKind::BuildIds => Chunk::BuildIds(unpacked(body, budget)?),
        ChunkKind::Frames => Chunk::Frames(unpacked(body, budget)?),
        ChunkKind::Report => Chunk::Report(Box::new(unpacked(body, budget)?)),
        ChunkKind::Base => {
            let sample = unpacked(rest.part()?, budget)?;
            budget.values(rest.0)?;
            Chunk::Base(sample, rest.0)
        }
        ChunkKind::Gap => Chunk::Gap,
    }))
}

fn boundary(mut from: Bytes<'_>, budget: &mut Budget) -> Result<(BoundaryReading, Sweep), Garbled> {
    Ok((unpacked(from.part()?, budget)?, sweep::read(from, budget)?))
}

/// Returns the next part; empty in recordings from before this part was added.
fn added_part<T: Pod>(rest: &mut Bytes<'_>) -> Result<Vec<T>, Garbled> {
    if rest.0.is_empty() {
        return Ok(Vec::new());
    }
    Ok(pods(rest.part()?))
}

/// Returns as many values of a fixed size as fit.
fn pods<T: Pod>(bytes: &[u8]) -> Vec<T> {
    let values = bytes.chunks_exact(size_of::<T>());
    values.map(bytemuck::pod_read_unaligned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Zeroable as _;

    fn read(written: &[u8]) -> OpenRuns {
        match next(&mut Bytes(written), &mut Budget::default()).unwrap() {
            Some(Chunk::Input(input, _)) => match *input {
                Input::OpenRuns(open) => open,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn open_runs_read_back_and_so_do_those_from_before_there_were_so_many_kinds() {
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
