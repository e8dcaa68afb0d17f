//! Records of the ring buffer: each kind with arbitrary contents and lengths.

use numatrace::{capture::RawRecord, decode::decode};
use numatrace_common::kind::Kind;

use crate::{campaign, dice::Dice};

/// Longest record, bytes: longer than that of any kind.
const LONGEST: usize = 1024;

/// Returns the length that a kind has: the one that is not refused.
fn length(kind: Kind) -> usize {
    (16..LONGEST)
        .find(|length| decode(RawRecord(&record(kind as u16, *length, &mut Dice::new(1)))).is_ok())
        .expect("a kind has a length")
}

fn record(kind: u16, length: usize, dice: &mut Dice) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let word = if dice.throw(3) == 0 {
            dice.corner()
        } else {
            dice.number()
        };
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.truncate(length);
    for (at, byte) in (12..).zip(kind.to_le_bytes()) {
        if let Some(there) = bytes.get_mut(at) {
            *there = byte;
        }
    }
    let claimed = u16::try_from(length).unwrap();
    for (at, byte) in (14..).zip(claimed.to_le_bytes()) {
        if let Some(there) = bytes.get_mut(at) {
            *there = byte;
        }
    }
    bytes
}

#[test]
fn records_of_every_kind() {
    let lengths: Vec<(Kind, usize)> = Kind::ALL.map(|kind| (kind, length(kind))).to_vec();
    campaign::run("records", 20_000, |dice| {
        let (kind, length) = *dice.one(&lengths);
        let mut bytes = record(kind as u16, length, dice);
        match dice.throw(4) {
            0 => dice.shake(&mut bytes),
            1 => {
                let length = dice.throw(LONGEST);
                let kind = u16::try_from(dice.throw(30)).unwrap();
                bytes = record(kind, length, dice);
            }
            _ => {}
        }
        match decode(RawRecord(&bytes)) {
            Ok(event) => !format!("{event:?}").is_empty(),
            Err(error) => error.to_string().is_empty(),
        }
    });
}
