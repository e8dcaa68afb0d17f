//! Tables of 64-bit words, column by column. The words of a column are similar, so each is stored
//! as its difference from an expected word, and a compressor does the rest.

use super::{Garbled, bytes};

/// Columns to be written to a recording.
#[derive(Debug, Default)]
pub struct Columns(Vec<Vec<u8>>);

impl Columns {
    /// Appends a word to a column, as its difference from the expected word.
    pub fn push(&mut self, column: usize, expected: u64, word: u64) {
        if self.0.len() <= column {
            self.0.resize_with(column + 1, Vec::new);
        }
        if let Some(column) = self.0.get_mut(column) {
            bytes::put(column, bytes::difference(expected, word));
        }
    }

    /// Appends all columns to `out` and empties the table.
    pub fn put(&mut self, out: &mut Vec<u8>) {
        bytes::put(out, self.0.len() as u64);
        for column in &mut self.0 {
            bytes::put_part(out, column);
            column.clear();
        }
    }
}

/// Columns read from a recording.
#[derive(Debug, Default)]
pub struct Read<'a>(Vec<bytes::Bytes<'a>>);

impl<'a> Read<'a> {
    /// Reads the lengths of the columns.
    ///
    /// # Errors
    /// There are fewer bytes than the columns claim.
    pub fn new(from: &mut bytes::Bytes<'a>) -> Result<Self, Garbled> {
        let count = from.number()?;
        // A column takes at least one byte.
        if count > from.0.len() as u64 {
            return Err(Garbled("more columns than bytes"));
        }
        let columns = (0..count).map(|_| from.part().map(bytes::Bytes));
        Ok(Self(columns.collect::<Result<_, _>>()?))
    }

    /// Reads the next word of a column.
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
