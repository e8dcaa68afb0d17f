//! Variable-length numbers: seven bits in each byte, the lowest first. A difference has its sign in
//! the lowest bit.

use super::Garbled;

/// Most bytes that a number of 64 bits takes.
const LONGEST: u32 = 10;

/// Appends a number.
pub fn put(out: &mut Vec<u8>, number: u64) {
    let mut rest = number;
    while rest >= 0x80 {
        out.push(low_seven(rest) | 0x80);
        rest >>= 7;
    }
    out.push(low_seven(rest));
}

fn low_seven(number: u64) -> u8 {
    (number & 0x7f) as u8
}

/// Returns the wrapping difference from `from` to `to`, as a number that is small for neighbours in
/// either direction.
pub fn difference(from: u64, to: u64) -> u64 {
    let by = to.wrapping_sub(from);
    (by << 1) ^ (by >> 63).wrapping_neg()
}

/// Applies a [`difference`] to `from`: its inverse.
pub fn add(from: u64, difference: u64) -> u64 {
    let by = (difference >> 1) ^ (difference & 1).wrapping_neg();
    from.wrapping_add(by)
}

/// Reads numbers and parts from untrusted bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    /// Reads the next number.
    ///
    /// # Errors
    /// The bytes end within the number, or it has more than 64 bits.
    pub fn number(&mut self) -> Result<u64, Garbled> {
        let mut number = 0u64;
        for place in 0..LONGEST {
            let (byte, rest) = self
                .0
                .split_first()
                .ok_or(Garbled("a number is truncated"))?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            if place == LONGEST - 1 && bits > 1 {
                break;
            }
            number |= bits << (7 * place);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Garbled("a number has more than 64 bits"))
    }

    /// Reads the next `count` bytes.
    ///
    /// # Errors
    /// There are fewer bytes.
    pub fn take(&mut self, count: u64) -> Result<&'a [u8], Garbled> {
        let count = usize::try_from(count).map_err(|_| Garbled("a length is too large"))?;
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(Garbled("a part is longer than the remaining bytes"))?;
        self.0 = rest;
        Ok(taken)
    }

    /// Reads a length and that many bytes.
    ///
    /// # Errors
    /// There are fewer bytes.
    pub fn part(&mut self) -> Result<&'a [u8], Garbled> {
        let count = self.number()?;
        self.take(count)
    }
}

/// Appends the length of the bytes, and the bytes.
pub fn put_part(out: &mut Vec<u8>, part: &[u8]) {
    put(out, part.len() as u64);
    out.extend_from_slice(part);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_read_back(numbers: Vec<u64>) {
            let mut out = Vec::new();
            for number in &numbers {
                put(&mut out, *number);
            }
            let mut bytes = Bytes(&out);
            for number in numbers {
                prop_assert_eq!(bytes.number(), Ok(number));
            }
            prop_assert!(bytes.0.is_empty());
        }

        #[test]
        fn differences_read_back_and_are_small_for_neighbours(from: u64, by in -60i64..60) {
            let to = from.wrapping_add_signed(by);
            prop_assert_eq!(add(from, difference(from, to)), to);
            prop_assert!(difference(from, to) < 128);
        }

        #[test]
        fn any_bytes_are_numbers_or_an_error(bytes: Vec<u8>) {
            let mut bytes = Bytes(&bytes);
            while bytes.number().is_ok() {}
        }
    }

    #[test]
    fn a_number_of_more_than_64_bits_is_an_error() {
        let eleven = [0xff; 11];
        assert!(Bytes(&eleven).number().is_err());
        let mut largest = Vec::new();
        put(&mut largest, u64::MAX);
        assert_eq!(Bytes(&largest).number(), Ok(u64::MAX));
    }
}
