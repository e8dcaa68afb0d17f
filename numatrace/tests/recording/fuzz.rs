//! Frames with valid checksums and arbitrary contents: nothing panics, and the report can be
//! written.
//!
//! Some files are read with the other tests. To read more of them, optimized:
//!
//! ```text
//! NUMATRACE_FUZZ_SECONDS=600 cargo test --release -p numatrace --test recording \
//!     fuzz -- --nocapture
//! ```

use std::time::{Duration, Instant};

use numatrace::{
    capture::recording::frame::{Frames, Packer, file_header},
    output::{
        json,
        text::{TextOptions, render},
    },
    recording::wanted::Wanted,
};

use crate::{V1, read};

/// Number of files without `NUMATRACE_FUZZ_SECONDS`.
const FILES: u64 = 40;

/// Random numbers (xorshift64*): small, and good enough to change bytes with.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let value = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        usize::try_from(value >> 33).unwrap() % below.max(1)
    }

    /// Changes bytes in one of several ways.
    fn shake(&mut self, bytes: &mut Vec<u8>) {
        let at = self.throw(bytes.len());
        let length = 1 + self.throw(40);
        let end = (at + length).min(bytes.len());
        match self.throw(7) {
            0 => bytes[at..end].fill(0xff),
            1 => bytes[at..end].fill(0),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let copy = bytes[at..end].to_vec();
                let to = self.throw(bytes.len());
                bytes.splice(to..to, copy);
            }
            4 => bytes.truncate(at),
            5 => {
                let value = [0x80, 0x7f, 1, 0xfe][self.throw(4)];
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
            }
            _ => {
                let bit = self.throw(8);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << bit;
                }
            }
        }
    }
}

fn frames() -> Vec<Vec<u8>> {
    let mut frames = Frames::open(V1).unwrap();
    let (mut all, mut chunks) = (Vec::new(), Vec::new());
    while frames.next(&mut chunks).unwrap() {
        all.push(chunks.clone());
    }
    all
}

fn shaken(frames: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut frames = frames.to_vec();
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
    let mut packer = Packer::new().unwrap();
    let mut file = file_header().to_vec();
    for (number, frame) in (0..).zip(&frames) {
        file.extend(packer.pack(frame).unwrap().frame(number));
    }
    file
}

#[test]
fn whatever_frames_hold_nothing_panics() {
    let frames = frames();
    let seconds = std::env::var("NUMATRACE_FUZZ_SECONDS").ok();
    let until =
        seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds.parse().unwrap()));
    let (mut seed, mut reports) = (0, 0);
    loop {
        seed += 1;
        match until {
            Some(until) if Instant::now() >= until => break,
            None if seed > FILES => break,
            _ => {}
        }
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let file = shaken(&frames, &mut dice);
        let wanted = [
            Wanted::default(),
            Wanted {
                whole: true,
                timeline: true,
                ..Wanted::default()
            },
            Wanted {
                from: Some(Duration::from_millis(100)),
                to: Some(Duration::from_secs(1)),
                ..Wanted::default()
            },
            Wanted {
                pids: vec![numatrace::ids::Pid(1)],
                children: true,
                ..Wanted::default()
            },
        ];
        let wanted = wanted[dice.throw(4)].clone();
        // A panic names the seed of its file.
        let read = std::panic::catch_unwind(|| {
            let (reports, _) = read(&file, wanted).unwrap_or_default();
            for report in &reports {
                json::to_line(report).unwrap();
                assert!(!render(report, &TextOptions::default()).is_empty());
            }
            reports.len()
        });
        reports += read.unwrap_or_else(|_| panic!("the file of seed {seed}"));
    }
    println!("{} files, {reports} reports", seed - 1);
    assert!(
        reports > 0,
        "every file was refused: the harness shakes too hard"
    );
}
