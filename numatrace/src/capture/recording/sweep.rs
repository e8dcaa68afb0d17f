//! A sweep of the totals as columns, sorted so that the counts of one owner are neighbours.

use numatrace_common::{
    count_key::CountKey,
    totals::{TotalKey, TotalValue},
};

use super::{
    Garbled,
    budget::Budget,
    bytes::{self, Bytes},
    columns::{Columns, Read},
};
use crate::capture::totals::Sweep;

/// Words of a count: epoch, start, thread and process, count key, events, amount.
const WORDS: usize = 6;

/// Sorts counts by owner, then by count key: the order that takes the fewest bytes.
pub fn sort(sweep: &mut Sweep) {
    sweep.counts.sort_unstable_by_key(|(epoch, key, _)| {
        (key.tgid, key.start_ns, key.tid, *epoch, key.count_key)
    });
}

/// Appends a sweep.
pub fn put(out: &mut Vec<u8>, sweep: &Sweep) {
    let mut columns = Columns::default();
    let mut last = [0u64; WORDS];
    for (epoch, key, value) in &sweep.counts {
        let row = [
            *epoch,
            key.start_ns,
            u64::from(key.tid) | u64::from(key.tgid) << 32,
            key.count_key.0,
            value.count,
            value.amount,
        ];
        for (column, (expected, word)) in last.iter().zip(row).enumerate() {
            columns.push(column, *expected, word);
        }
        last = row;
    }
    out.push(u8::from(sweep.consistent));
    bytes::put(out, sweep.counts.len() as u64);
    columns.put(out);
}

/// Reads a sweep.
///
/// # Errors
/// The bytes are not a sweep that [`put`] wrote, or hold too many counts.
pub fn read(mut from: Bytes<'_>, budget: &mut Budget) -> Result<Sweep, Garbled> {
    let consistent = from.take(1)? != [0];
    let count = from.number()?;
    // A count takes at least one byte for each word.
    if count > from.0.len() as u64 {
        return Err(Garbled("more counts than bytes"));
    }
    budget.counts(usize::try_from(count).unwrap_or(usize::MAX))?;
    let mut columns = Read::new(&mut from)?;
    let mut sweep = Sweep {
        consistent,
        counts: Vec::new(),
    };
    let mut row = [0u64; WORDS];
    for _ in 0..count {
        for (column, word) in row.iter_mut().enumerate() {
            *word = columns.next(column, *word)?;
        }
        let [epoch, start_ns, owner, count_key, count, amount] = row;
        let [tid, tgid] = [owner & u64::from(u32::MAX), owner >> 32]
            .map(|half| u32::try_from(half).unwrap_or(u32::MAX));
        let key = TotalKey {
            start_ns,
            tid,
            tgid,
            count_key: CountKey(count_key),
        };
        sweep
            .counts
            .push((epoch, key, TotalValue { count, amount }));
    }
    Ok(sweep)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_counts_read_back(consistent: bool, rows: Vec<(u64, u64, u32, u32, u64, u64, u64)>) {
            let counts = rows.into_iter().map(
                |(epoch, start_ns, tid, tgid, count_key, count, amount)| {
                    let count_key = CountKey(count_key);
                    let key = TotalKey { start_ns, tid, tgid, count_key };
                    (epoch, key, TotalValue { count, amount })
                },
            );
            let mut sweep = Sweep { consistent, counts: counts.collect() };
            sort(&mut sweep);
            let mut out = Vec::new();
            put(&mut out, &sweep);
            prop_assert_eq!(read(Bytes(&out), &mut Budget::default()), Ok(sweep));
        }

        #[test]
        fn any_bytes_are_a_sweep_or_an_error(bytes: Vec<u8>) {
            let _ = read(Bytes(&bytes), &mut Budget::default());
        }
    }
}
