//! The size of recordings and the speed of reading them: the records of a real recording, repeated
//! as often as asked for.
//!
//! `numatrace record -o storm.nmt -- LOAD`, then `numatrace-bench recording --like storm.nmt
//! --records 10000000 --out big.nmt`.

use std::{fs, path::PathBuf, time::Instant};

use anyhow::{Context as _, Result, ensure};
use numatrace::{
    capture::recording::{
        bytes::Bytes,
        chunk::{self, ChunkKind},
        frame::{FILE_HEADER, Frames, Packer, file_header},
        records,
    },
    recording::{replay::Replay, wanted::Wanted},
};
use serde_json::json;

/// Options of `recording`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A recording
    #[arg(long)]
    like: PathBuf,
    /// Records to have
    #[arg(long)]
    records: u64,
    /// The larger recording to write
    #[arg(long)]
    out: PathBuf,
}

/// Writes the larger recording, reads it, and prints its size and the time.
///
/// # Errors
/// A file cannot be read or written, or has no records.
pub fn run(args: &Args) -> Result<()> {
    let frames = frames(&fs::read(&args.like)?)?;
    let last = frames.last().context("the recording is empty")?;
    let mut packer = Packer::new()?;
    let mut out = file_header().to_vec();
    let mut number = 0;
    let mut add = |out: &mut Vec<u8>, chunks: &[u8]| -> Result<u64> {
        let before = out.len();
        out.extend(packer.pack(chunks)?.frame(number));
        number += 1;
        Ok((out.len() - before) as u64)
    };
    let mut batches = Vec::new();
    for frame in &frames[..frames.len() - 1] {
        add(&mut out, frame)?;
        let mut rest = Bytes(frame);
        while let Some((kind, body)) = chunk::next(&mut rest)? {
            if kind == Ok(ChunkKind::Records) {
                batches.push(body.to_vec());
            }
        }
    }
    let (mut records, mut bytes) = (0, 0);
    ensure!(!batches.is_empty(), "the recording has no records");
    for batch in batches.iter().cycle() {
        if records >= args.records {
            break;
        }
        records::each(Bytes(batch), &mut |_| records += 1)?;
        let mut chunks = Vec::new();
        chunk::put(&mut chunks, ChunkKind::Records, batch);
        bytes += add(&mut out, &chunks)?;
    }
    add(&mut out, last)?;
    ensure!(out.len() > FILE_HEADER, "nothing to write");
    fs::write(&args.out, &out)?;
    drop(out);

    let began = Instant::now();
    let mut reports = 0;
    let outcome = Replay::open(&args.out, Wanted::default())?.run(&mut |_| {}, &mut |_| {
        reports += 1;
        Ok(true)
    })?;
    let seconds = began.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate needs three digits")]
    let (per_record, per_second) = (
        bytes as f64 / records as f64,
        outcome.records as f64 / seconds,
    );
    println!(
        "{}",
        json!({
            "records": outcome.records,
            "reports": reports,
            "bytes_per_record": per_record,
            "seconds": seconds,
            "records_per_s": per_second,
        })
    );
    Ok(())
}

fn frames(file: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut frames = Frames::open(file)?;
    let (mut all, mut chunks) = (Vec::new(), Vec::new());
    while frames.next(&mut chunks)? {
        all.push(chunks.clone());
    }
    Ok(all)
}
