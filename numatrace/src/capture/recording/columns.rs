//! Tables of 64-bit words, column by column: what stands below each other is alike, so each word is told as a difference to what was expected
//! there, and a compressor finds the rest.

use super::{Garbled, bytes};

/// Columns on their way into a recording.
#[derive(Debug, Default)]
pub struct Columns(Vec<Vec<u8>>);

impl Columns {
    /// Appends a word to a column, told by what was expected.
    pub fn push(&mut self, column: usize, expected: u64, word: u64) {
        if self.0.len() <= column {
            self.0.resize_with(column + 1, Vec::new);
        }
        if let Some(column) = self.0.get_mut(column) {
            bytes::put(column, bytes::difference(expected, word));
        }
    }

    /// All columns, and an empty table again.
    pub fn put(&mut self, out: &mut Vec<u8>) {
        bytes::put(out, self.0.len() as u64);
        for column in &mut self.0 {
            bytes::put_part(out, column);
            column.clear();
        }
    }
}

/// Columns out of a recording.
#[derive(Debug, Default)]
pub struct Read<'a>(Vec<bytes::Bytes<'a>>);

impl<'a> Read<'a> {
    /// Finds the columns.
    ///
    /// # Errors
    /// There are fewer bytes than they say.
    pub fn new(from: &mut bytes::Bytes<'a>) -> Result<Self, Garbled> {
        let count = from.number()?;
        // Each takes a byte at least.
        if count > from.0.len() as u64 {
            return Err(Garbled("more columns than bytes"));
        }
        let columns = (0..count).map(|_| from.part().map(bytes::Bytes));
        Ok(Self(columns.collect::<Result<_, _>>()?))
    }

    /// The next word of a column.
    ///
    /// # Errors
    /// The column has ended.
    pub fn next(&mut self, column: usize, expected: u64) -> Result<u64, Garbled> {
        let column = self
            .0
            .get_mut(column)
            .ok_or(Garbled("a column is missing"))?;
        Ok(bytes::add(expected, column.number()?))
    }
}
