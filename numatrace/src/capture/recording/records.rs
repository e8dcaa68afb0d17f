//! Records of the ring as columns.
//!
//! A record is a row of words of its kind. Most words are what they were in the last record of the same kind on the same CPU, for there a thread goes
//! on with what it does; a run begins where the one before it ended, and ends as many pages later as it has. Records that are not what
//! their header says are kept as they are.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use numatrace_common::kind::Kind;

use super::{
    Garbled,
    bytes::{self, Bytes},
    columns::{Columns, Read},
};
use crate::capture::RawRecord;

/// Bytes of a word.
const WORD: usize = 8;
/// Words of a header: the time; CPU, kind and length.
const HEADER: usize = 2;
/// Bits of a page's size.
const PAGE_SHIFT: u32 = 12;

/// Records as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Batch {
    /// Appends a record.
    pub fn push(&mut self, record: RawRecord<'_>) {
        self.bytes.extend_from_slice(record.0);
        self.ends.push(self.bytes.len());
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Each, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, end)| self.bytes.get(start..*end).unwrap_or_default())
    }
}

/// What a word is expected to be.
#[derive(Clone, Copy, Debug)]
enum Expected {
    /// What it was in the last record of the same kind on the same CPU.
    Last,
    /// Another word of that record.
    LastOf(usize),
    /// The first of two words of this record, and as many pages as the second says.
    Behind(usize, usize),
}

/// Words of a kind that are better told by others, in the order they are read in; all others are as they were.
fn special(kind: u16) -> &'static [(usize, Expected)] {
    match Kind::try_from(kind) {
        // Begun when the run before it was written; where that one ended; so many pages long.
        Ok(Kind::TouchRun) => &[
            (2, Expected::LastOf(0)),
            (6, Expected::LastOf(7)),
            (8, Expected::Last),
            (7, Expected::Behind(6, 8)),
        ],
        Ok(Kind::UseRun) => &[
            (2, Expected::LastOf(0)),
            (6, Expected::LastOf(7)),
            (8, Expected::Last),
            (7, Expected::Behind(6, 8)),
        ],
        _ => &[],
    }
}

/// The order in which the words of a record are told.
fn order(kind: u16, words: usize) -> impl Iterator<Item = (usize, Expected)> {
    let special = special(kind);
    let first = special
        .iter()
        .copied()
        .filter(move |(word, _)| *word < words);
    let rest = (HEADER..words)
        .filter(move |word| special.iter().all(|(other, _)| other != word))
        .map(|word| (word, Expected::Last));
    first.chain(rest)
}

/// The last record of each kind on each CPU.
type Lasts = HashMap<(u16, u32), Vec<u64>, FixedState>;

fn expect(expected: Expected, word: usize, row: &[u64], last: &[u64]) -> u64 {
    let of = |row: &[u64], word: usize| row.get(word).copied().unwrap_or(0);
    match expected {
        Expected::Last => of(last, word),
        Expected::LastOf(other) => of(last, other),
        Expected::Behind(start, pages) => of(row, start).wrapping_add(of(row, pages) << PAGE_SHIFT),
    }
}

/// CPU, kind and length in bytes, as the second word of a header has them.
fn split(word: u64) -> (u32, u16, usize) {
    let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
    (
        u32::from_le_bytes([a, b, c, d]),
        u16::from_le_bytes([e, f]),
        usize::from(u16::from_le_bytes([g, h])),
    )
}

/// The words of a record that is what its header says.
fn words(record: &[u8], row: &mut Vec<u64>) -> bool {
    row.clear();
    let chunks = record.chunks_exact(WORD);
    let whole = chunks.remainder().is_empty();
    row.extend(chunks.map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default())));
    let told = row.get(1).map(|word| split(*word));
    whole && told.is_some_and(|(_, kind, length)| length == record.len() && (1..64).contains(&kind))
}

/// Appends all records of a batch.
pub fn put(out: &mut Vec<u8>, batch: &Batch) {
    let mut kinds = Vec::with_capacity(batch.len());
    let mut tables: Vec<Columns> = Vec::new();
    let mut odd = Vec::new();
    let mut lasts = Lasts::default();
    let mut headers: Vec<u64> = Vec::new();
    let (mut row, mut time) = (Vec::new(), 0u64);
    for record in batch.iter() {
        if !words(record, &mut row) {
            kinds.push(0);
            bytes::put_part(&mut odd, record);
            continue;
        }
        let (cpu, kind, _) = split(row[1]);
        let at = usize::from(kind);
        if tables.len() <= at {
            tables.resize_with(at + 1, Columns::default);
            headers.resize(at + 1, 0);
        }
        kinds.push(u8::try_from(kind).unwrap_or(0));
        let table = &mut tables[at];
        table.push(0, time, row[0]);
        table.push(1, headers[at], row[1]);
        (time, headers[at]) = (row[0], row[1]);
        let last = lasts.entry((kind, cpu)).or_default();
        for (word, expected) in order(kind, row.len()) {
            table.push(word, expect(expected, word, &row, last), row[word]);
        }
        last.clone_from(&row);
    }
    bytes::put_part(out, &kinds);
    bytes::put_part(out, &odd);
    bytes::put(out, tables.len() as u64);
    for table in &mut tables {
        table.put(out);
    }
}

/// Hands over each record again, as it was.
///
/// # Errors
/// The bytes are not what [`put`] makes. Records up to there have been handed over.
pub fn each(mut from: Bytes<'_>, take: &mut dyn FnMut(RawRecord<'_>)) -> Result<(), Garbled> {
    let kinds = from.part()?;
    let mut odd = Bytes(from.part()?);
    let count = from.number()?;
    if count > 64 {
        return Err(Garbled("more kinds than there can be"));
    }
    let mut tables = (0..count)
        .map(|_| Read::new(&mut from))
        .collect::<Result<Vec<_>, _>>()?;
    let mut headers = vec![0u64; tables.len()];
    let mut lasts = Lasts::default();
    let (mut row, mut record, mut time) = (Vec::new(), Vec::new(), 0u64);
    for kind in kinds {
        if *kind == 0 {
            take(RawRecord(odd.part()?));
            continue;
        }
        let at = usize::from(*kind);
        let (Some(table), Some(header)) = (tables.get_mut(at), headers.get_mut(at)) else {
            return Err(Garbled("a record of a kind that has no table"));
        };
        time = table.next(0, time)?;
        *header = table.next(1, *header)?;
        let (cpu, told, length) = split(*header);
        if usize::from(told) != at || length % WORD != 0 || length < HEADER * WORD {
            return Err(Garbled("a record that is not what its header says"));
        }
        row.clear();
        row.resize(length / WORD, 0);
        (row[0], row[1]) = (time, *header);
        let last = lasts.entry((told, cpu)).or_default();
        for (word, expected) in order(told, length / WORD) {
            row[word] = table.next(word, expect(expected, word, &row, last))?;
        }
        record.resize(length, 0);
        for (bytes, word) in record.chunks_exact_mut(WORD).zip(&row) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        take(RawRecord(&record));
        last.clone_from(&row);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use numatrace_common::{
        event::mapping_run::TouchRun,
        header::{Header, record_len},
    };
    use proptest::prelude::*;

    fn read_back(batch: &Batch) -> (Batch, usize) {
        let mut out = Vec::new();
        put(&mut out, batch);
        let mut read = Batch::default();
        each(Bytes(&out), &mut |record| read.push(record)).unwrap();
        (read, out.len())
    }

    /// Two CPUs in turn, each going on where it stopped and begun when its run before was written.
    fn touch(index: u64) -> TouchRun {
        let time_ns = |index: u64| 1_000_000 + index * 700;
        let low = 0x7f00_0000_0000 + ((index % 2) << 32) + (index / 2) * 8192;
        TouchRun {
            header: Header {
                time_ns: time_ns(index),
                cpu: u32::try_from(index % 2).unwrap(),
                kind: Kind::TouchRun as u16,
                len: record_len::<TouchRun>(),
            },
            began_ns: time_ns(index.saturating_sub(2)),
            tid: 7,
            tgid: 7,
            low,
            high: low + 8192,
            pages: 2,
            ..TouchRun::default()
        }
    }

    proptest! {
        #[test]
        fn any_records_come_back_as_they_were(records in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..20)) {
            let mut batch = Batch::default();
            for (index, record) in records.iter().enumerate() {
                batch.push(RawRecord(record));
                batch.push(RawRecord(bytemuck::bytes_of(&touch(index as u64))));
            }
            prop_assert_eq!(read_back(&batch).0, batch);
        }

        #[test]
        fn any_bytes_are_records_or_an_error(bytes: Vec<u8>) {
            let _ = each(Bytes(&bytes), &mut |_| {});
        }

        #[test]
        fn a_cut_or_changed_batch_never_panics(cut in 0usize..400, at in 0usize..400, to: u8) {
            let mut batch = Batch::default();
            for index in 0..8 {
                batch.push(RawRecord(bytemuck::bytes_of(&touch(index))));
            }
            let mut out = Vec::new();
            put(&mut out, &batch);
            if let Some(byte) = out.get_mut(at) {
                *byte = to;
            }
            out.truncate(cut);
            let _ = each(Bytes(&out), &mut |_| {});
        }
    }

    #[test]
    fn what_is_as_expected_takes_a_byte_a_word() {
        let mut batch = Batch::default();
        for index in 0..1000 {
            batch.push(RawRecord(bytemuck::bytes_of(&touch(index))));
        }
        let (read, bytes) = read_back(&batch);
        assert_eq!(read, batch);
        let words = size_of::<TouchRun>() / WORD;
        // Only times and the first of all take more.
        assert!(bytes < 1000 * (words + 6), "{bytes} for {words} words");
    }
}
