//! Records of the ring as columns.
//!
//! A record is a row of words in the table of its kind. Most words equal those of the previous
//! record of the same kind on the same CPU, because a thread continues its work there; a run begins
//! where the previous one ended, and ends as many pages later as it has. Records that do not match
//! their header are stored unchanged.

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
/// Words of a header: the time in one; CPU, kind and length in the other.
const HEADER: usize = 2;
/// log2 of the page size that predictions assume. Part of the format: on a machine with a different
/// size predictions are worse, and the words still read back.
const PAGE_SHIFT: u32 = 12;

/// Records in the order in which they came.
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

    /// Returns the number of records.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Removes all records.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Returns each record, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, end)| self.bytes.get(start..*end).unwrap_or_default())
    }
}

/// The prediction of a word.
#[derive(Clone, Copy, Debug)]
enum Expected {
    /// This word of the previous record of the kind on the CPU.
    Last,
    /// A different word of that record.
    LastOf(usize),
    /// The address in one word of this record plus the pages in another.
    End(usize, usize),
}

/// Returns the words of a kind that other words predict better, in the order in which they are
/// read; all others are [`Expected::Last`].
fn special(kind: u16) -> &'static [(usize, Expected)] {
    match Kind::try_from(kind) {
        // A run begins when and where the previous one ended, and ends after its pages.
        Ok(Kind::TouchRun) => &[
            (2, Expected::LastOf(0)),
            (6, Expected::LastOf(7)),
            (8, Expected::Last),
            (7, Expected::End(6, 8)),
        ],
        Ok(Kind::UseRun) => &[
            (2, Expected::LastOf(0)),
            (6, Expected::LastOf(7)),
            (8, Expected::Last),
            (7, Expected::End(6, 8)),
        ],
        _ => &[],
    }
}

/// Returns the words of a record in the order in which they are stored, with their predictions.
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
        Expected::End(start, pages) => of(row, start).wrapping_add(of(row, pages) << PAGE_SHIFT),
    }
}

/// Splits the second word of a header into CPU, kind and length in bytes.
fn split(word: u64) -> (u32, u16, usize) {
    let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
    (
        u32::from_le_bytes([a, b, c, d]),
        u16::from_le_bytes([e, f]),
        usize::from(u16::from_le_bytes([g, h])),
    )
}

/// Reads a record's words into `row`; returns whether the record matches its header.
fn words(record: &[u8], row: &mut Vec<u64>) -> bool {
    row.clear();
    let chunks = record.chunks_exact(WORD);
    let whole = chunks.remainder().is_empty();
    row.extend(chunks.map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default())));
    let header = row.get(1).map(|word| split(*word));
    whole
        && header.is_some_and(|(_, kind, length)| length == record.len() && (1..64).contains(&kind))
}

/// Appends all records of a batch.
pub fn put(out: &mut Vec<u8>, batch: &Batch) {
    let mut kinds = Vec::with_capacity(batch.len());
    let mut tables: Vec<Columns> = Vec::new();
    let mut unchanged = Vec::new();
    let mut lasts = Lasts::default();
    let mut headers: Vec<u64> = Vec::new();
    let (mut row, mut time) = (Vec::new(), 0u64);
    for record in batch.iter() {
        if !words(record, &mut row) {
            kinds.push(0);
            bytes::put_part(&mut unchanged, record);
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
    bytes::put_part(out, &unchanged);
    bytes::put(out, tables.len() as u64);
    for table in &mut tables {
        table.put(out);
    }
}

/// Returns the number of records.
///
/// # Errors
/// The bytes are not a batch that [`put`] wrote.
pub fn count(mut from: Bytes<'_>) -> Result<usize, Garbled> {
    Ok(from.part()?.len())
}

/// Calls `take` for each record, with its original bytes.
///
/// # Errors
/// The bytes are not a batch that [`put`] wrote. Records before the error have been passed on.
pub fn each(mut from: Bytes<'_>, take: &mut dyn FnMut(RawRecord<'_>)) -> Result<(), Garbled> {
    let kinds = from.part()?;
    let mut unchanged = Bytes(from.part()?);
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
            take(RawRecord(unchanged.part()?));
            continue;
        }
        let at = usize::from(*kind);
        let (Some(table), Some(header)) = (tables.get_mut(at), headers.get_mut(at)) else {
            return Err(Garbled("a record of a kind that has no table"));
        };
        time = table.next(0, time)?;
        *header = table.next(1, *header)?;
        let (cpu, kind, length) = split(*header);
        if usize::from(kind) != at || length % WORD != 0 || length < HEADER * WORD {
            return Err(Garbled("a record that does not match its header"));
        }
        row.clear();
        row.resize(length / WORD, 0);
        (row[0], row[1]) = (time, *header);
        let last = lasts.entry((kind, cpu)).or_default();
        for (word, expected) in order(kind, length / WORD) {
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
    use numatrace_common::{
        event::mapping_run::TouchRun,
        header::{Header, record_len},
    };
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn read_back(batch: &Batch) -> (Batch, usize) {
        let mut out = Vec::new();
        put(&mut out, batch);
        let mut read = Batch::default();
        each(Bytes(&out), &mut |record| read.push(record)).unwrap();
        (read, out.len())
    }

    /// Returns runs of two CPUs in turn: each begins when and where the previous one on its CPU
    /// ended.
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
        fn any_records_read_back_unchanged(
            records in vec(vec(any::<u8>(), 0..200), 0..20)
        ) {
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
        fn a_truncated_or_changed_batch_never_panics(
            length in 0usize..400,
            at in 0usize..400,
            to: u8,
        ) {
            let mut batch = Batch::default();
            for index in 0..8 {
                batch.push(RawRecord(bytemuck::bytes_of(&touch(index))));
            }
            let mut out = Vec::new();
            put(&mut out, &batch);
            if let Some(byte) = out.get_mut(at) {
                *byte = to;
            }
            out.truncate(length);
            let _ = each(Bytes(&out), &mut |_| {});
        }
    }

    #[test]
    fn a_word_that_equals_its_prediction_takes_one_byte() {
        let mut batch = Batch::default();
        for index in 0..1000 {
            batch.push(RawRecord(bytemuck::bytes_of(&touch(index))));
        }
        let (read, bytes) = read_back(&batch);
        assert_eq!(read, batch);
        let words = size_of::<TouchRun>() / WORD;
        // Only times and the words of the first record take more.
        assert!(bytes < 1000 * (words + 6), "{bytes} for {words} words");
    }
}
