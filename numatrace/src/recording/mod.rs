//! Recordings: a session's input, written down as it is taken in, and taken in again later.
//!
//! The recorder sits between the tracer and its [`Ingest`](crate::ingest::Intake) and writes what passes; the replay gives the same things to another
//! ingest in the same order. So a report of a recording is made by the code that made the session's own.

pub mod chunks;
mod code;
pub mod files;
pub mod load;
mod player;
pub mod recorder;
pub mod replay;
mod seen_code;
mod selection;

use std::path::Path;

use anyhow::Context;

use crate::{decode::event::Event, model::Snapshot};
use replay::{Replay, Wanted};

/// The report of a whole recording, of a session with intervals too.
///
/// # Errors
/// The file cannot be read, is no recording, or holds no session.
pub fn snapshot_of(path: &Path) -> anyhow::Result<Snapshot> {
    for_each_event(path, &mut |_| {})
}

/// The same, with each record on the way, in the order they were taken in: by CPU in order of time, across CPUs nearly so.
///
/// # Errors
/// As [`snapshot_of`].
pub fn for_each_event(path: &Path, each: &mut dyn FnMut(&Event)) -> anyhow::Result<Snapshot> {
    let wanted = Wanted {
        whole: true,
        ..Wanted::default()
    };
    let mut last = None;
    Replay::open(path, wanted)?.run(each, &mut |snapshot| {
        last = Some(snapshot);
        Ok(true)
    })?;
    last.context("the recording holds no session")
}
