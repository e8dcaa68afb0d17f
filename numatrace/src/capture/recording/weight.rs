//! The memory that the values of a piece of MessagePack take once they are unpacked, at most. They
//! are counted from their bytes alone, without unpacking any.

/// Bytes of a list, or of a value with fields: the largest has about this size.
const CONTAINER: u64 = 256;
/// Bytes of a text beside its length. Short texts are mostly names of fields, which take nothing.
const TEXT: u64 = 64;
/// Bytes of a short text.
const SHORT_TEXT: u64 = 32;
/// Bytes of any other value.
const SMALL: u64 = 16;

/// Returns `before` and the memory of all values, bytes; stops counting behind `limit`. Bytes that
/// are no MessagePack are for the deserializer to refuse.
pub fn weight(packed: &[u8], before: u64, limit: u64) -> u64 {
    let (mut rest, mut sum) = (packed, before);
    while let Some((marker, behind)) = rest.split_first() {
        if sum > limit {
            break;
        }
        let length = |bytes: usize| {
            let number = behind.get(..bytes).unwrap_or_default();
            number
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte))
        };
        let text = |prefix: usize| (prefix + length(prefix), TEXT + length(prefix) as u64);
        let (skip, bytes) = match *marker {
            0x80..=0x9f => (0, CONTAINER),
            0xa0..=0xbf => (usize::from(marker & 0x1f), SHORT_TEXT),
            0xc4 | 0xd9 => text(1),
            0xc5 | 0xda => text(2),
            0xc6 | 0xdb => text(4),
            0xdc | 0xde => (2, CONTAINER),
            0xdd | 0xdf => (4, CONTAINER),
            0xcc | 0xd0 => (1, SMALL),
            0xcd | 0xd1 => (2, SMALL),
            0xca | 0xce | 0xd2 => (4, SMALL),
            0xcb | 0xcf | 0xd3 => (8, SMALL),
            // Extensions, which no value of a recording has.
            0xc7 => (length(1) + 2, TEXT),
            0xc8 => (length(2) + 3, TEXT),
            0xc9 => (length(4) + 5, TEXT),
            fixed @ 0xd4..=0xd8 => ((1 << (fixed - 0xd4)) + 1, TEXT),
            _ => (0, SMALL),
        };
        sum = sum.saturating_add(bytes);
        rest = behind.get(skip..).unwrap_or_default();
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_texts_and_numbers_have_their_weights() {
        let long = "x".repeat(300);
        let packed = rmp_serde::to_vec(&(1u64 << 40, vec![1u8, 2], "short", &long)).unwrap();
        let expected = 2 * CONTAINER + 3 * SMALL + SHORT_TEXT + TEXT + 300;
        assert_eq!(weight(&packed, 7, u64::MAX), 7 + expected);
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_weight(bytes: Vec<u8>) {
            // Only the last text can claim to be longer than its bytes.
            let most = (CONTAINER + 1) * bytes.len() as u64 + (1 << 32);
            prop_assert!(weight(&bytes, 0, u64::MAX) <= most);
        }
    }
}
