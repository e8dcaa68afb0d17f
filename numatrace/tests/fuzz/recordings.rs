//! Recordings: whole files, and frames and chunks with valid checksums and arbitrary contents.

use std::time::Duration;

use numatrace::{
    capture::recording::{
        bytes::Bytes,
        chunk,
        frame::{Frames, Packer, file_header},
    },
    ids::Pid,
    output::{
        json,
        text::{TextOptions, render},
    },
    recording::{replay::Replay, wanted::Wanted},
};

use crate::{campaign, dice::Dice};

const RECORDINGS: [&[u8]; 5] = [
    include_bytes!("../recording/v1.nmt"),
    include_bytes!("../recording/away.nmt"),
    include_bytes!("../recording/scenarios/bound_node_oom.nmt"),
    include_bytes!("../recording/scenarios/mbind_refused.nmt"),
    include_bytes!("../recording/scenarios/balancing_off.nmt"),
];

fn frames(file: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Frames::open(file).unwrap();
    let (mut all, mut chunks) = (Vec::new(), Vec::new());
    while frames.next(&mut chunks).unwrap() {
        all.push(chunks.clone());
    }
    all
}

fn file(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut packer = Packer::new().unwrap();
    let mut file = file_header().to_vec();
    for (number, frame) in (0..).zip(frames) {
        file.extend(packer.pack(frame).unwrap().frame(number));
    }
    file
}

/// Moves, drops, doubles or changes some of the frames.
fn shaken_frames(frames: &mut Vec<Vec<u8>>, dice: &mut Dice) {
    for _ in 0..=dice.throw(4) {
        let which = dice.throw(frames.len());
        match dice.throw(12) {
            0 => drop(frames.remove(which)),
            1 => {
                let copy = frames[which].clone();
                frames.push(copy);
            }
            2 => {
                let other = dice.throw(frames.len());
                frames.swap(which, other);
            }
            _ => dice.shake(&mut frames[which]),
        }
        if frames.is_empty() {
            break;
        }
    }
}

/// The chunks of a frame: number of the kind, and body.
fn chunks(frame: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut rest = Bytes(frame);
    let mut all = Vec::new();
    while let Ok(Some((kind, body))) = chunk::next(&mut rest) {
        let number = kind.map_or_else(|number| number, |kind| kind as u8);
        all.push((number, body.to_vec()));
    }
    all
}

/// Moves, drops, doubles or changes some of the chunks of a frame; their lengths stay right.
fn shaken_chunks(frame: &mut Vec<u8>, dice: &mut Dice) {
    let mut all = chunks(frame);
    for _ in 0..=dice.throw(3) {
        if all.is_empty() {
            break;
        }
        let which = dice.throw(all.len());
        match dice.throw(10) {
            0 => drop(all.remove(which)),
            1 => {
                let copy = all[which].clone();
                all.push(copy);
            }
            2 => {
                let other = dice.throw(all.len());
                all.swap(which, other);
            }
            3 => all[which].0 = u8::try_from(dice.throw(20)).unwrap(),
            _ => dice.shake(&mut all[which].1),
        }
    }
    frame.clear();
    for (kind, body) in all {
        frame.push(kind);
        numatrace::capture::recording::bytes::put_part(frame, &body);
    }
}

fn wanted(dice: &mut Dice) -> Wanted {
    match dice.throw(4) {
        0 => Wanted::default(),
        1 => Wanted {
            whole: true,
            timeline: true,
            ..Wanted::default()
        },
        2 => Wanted {
            from: Some(Duration::from_millis(100)),
            to: Some(Duration::from_secs(1)),
            ..Wanted::default()
        },
        _ => Wanted {
            pids: vec![Pid(1)],
            children: true,
            ..Wanted::default()
        },
    }
}

/// Reads a recording and writes its reports; returns whether there was one.
fn reported(file: &[u8], wanted: Wanted) -> bool {
    let mut reports = 0;
    let Ok(replay) = Replay::new(file, file.len() as u64, wanted) else {
        return false;
    };
    // An error comes with what was reported before it.
    let _ = replay.run(&mut |_| {}, &mut |report| {
        json::to_line(&report).unwrap();
        assert!(!render(&report, &TextOptions::default()).is_empty());
        reports += 1;
        Ok(true)
    });
    reports > 0
}

#[test]
fn recordings_whose_frames_hold_anything() {
    let all: Vec<Vec<Vec<u8>>> = RECORDINGS.iter().map(|file| frames(file)).collect();
    campaign::run("recordings_whose_frames", 40, |dice| {
        let mut frames = dice.one(&all).clone();
        shaken_frames(&mut frames, dice);
        reported(&file(&frames), wanted(dice))
    });
}

#[test]
fn recordings_whose_chunks_hold_anything() {
    let all: Vec<Vec<Vec<u8>>> = RECORDINGS.iter().map(|file| frames(file)).collect();
    campaign::run("recordings_whose_chunks", 60, |dice| {
        let mut frames = dice.one(&all).clone();
        for _ in 0..=dice.throw(2) {
            let which = dice.throw(frames.len());
            shaken_chunks(&mut frames[which], dice);
        }
        reported(&file(&frames), wanted(dice))
    });
}

#[test]
fn recordings_that_are_damaged() {
    campaign::run("recordings_that_are_damaged", 60, |dice| {
        let mut file = dice.one(&RECORDINGS).to_vec();
        for _ in 0..=dice.throw(3) {
            dice.shake(&mut file);
        }
        reported(&file, wanted(dice))
    });
}
