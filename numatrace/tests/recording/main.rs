//! Recordings, read without root, kernel or the machine they were made on.

#![expect(clippy::unwrap_used, reason = "tests state claims; an unwrap is one")]

mod both_ways;
mod cut;
mod hostile;
mod scenarios;
mod versions;

use numatrace::{
    model::Snapshot,
    recording::{
        replay::{Outcome, Replay},
        wanted::Wanted,
    },
};

/// A recording of version 1, without the facts of other processes: a shell that sleeps, on a host
/// with one node and Linux 6.18 that refuses fentry. Made with `numatrace record -q -o v1.nmt
/// --report -f json --stacks 0 -- sh -c 'sleep 1.2; echo' > v1.json`.
const V1: &[u8] = include_bytes!("v1.nmt");

/// Returns the reports of a recording and the outcome of reading it, or why there are none.
fn read(bytes: &[u8], wanted: Wanted) -> anyhow::Result<(Vec<Snapshot>, Outcome)> {
    let mut reports = Vec::new();
    let replay = Replay::new(bytes, bytes.len() as u64, wanted)?;
    let outcome = replay.run(&mut |_| {}, &mut |report| {
        reports.push(report);
        Ok(true)
    })?;
    Ok((reports, outcome))
}
