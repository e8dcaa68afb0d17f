//! Buckets of a histogram of times: eight to each power of two, so a value is known to an eighth of
//! itself.
//!
//! Counts leave the kernel by bucket number; the middle of a bucket stands for its values.

/// Sub-buckets of an octave, as a power of two.
const BITS: u32 = 3;

/// Number of buckets for 64-bit values.
pub const BUCKETS: u16 = 496;

/// Returns the bucket of a value. Values below eight have one each.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "at most 495")]
pub const fn of(value: u64) -> u16 {
    if value < 1 << BITS {
        return value as u16;
    }
    let top = log2(value);
    let within = value >> (top - BITS) & ((1 << BITS) - 1);
    (((top - BITS + 1) << BITS) as u64 + within) as u16
}

/// Returns the smallest value of a bucket; the largest 64-bit value for a bucket beyond the last.
pub const fn start(bucket: u16) -> u64 {
    let (octave, within) = ((bucket >> BITS) as u32, bucket as u64 & ((1 << BITS) - 1));
    if octave == 0 {
        return bucket as u64;
    }
    if bucket >= BUCKETS {
        return u64::MAX;
    }
    ((1 << BITS) + within) << (octave - 1)
}

/// Returns the value in the middle of a bucket.
pub const fn middle(bucket: u16) -> u64 {
    let (start, next) = (start(bucket), start(bucket.saturating_add(1)));
    start + (next - start) / 2
}

/// Returns the position of the highest bit of a value that has one. Written out: the BPF target has
/// no instruction for it, and its library call has a loop that old verifiers dislike.
#[inline(always)]
const fn log2(value: u64) -> u32 {
    let (mut value, mut top) = (value, 0);
    if value >> 32 != 0 {
        value >>= 32;
        top += 32;
    }
    if value >> 16 != 0 {
        value >>= 16;
        top += 16;
    }
    if value >> 8 != 0 {
        value >>= 8;
        top += 8;
    }
    if value >> 4 != 0 {
        value >>= 4;
        top += 4;
    }
    if value >> 2 != 0 {
        value >>= 2;
        top += 2;
    }
    if value >> 1 != 0 {
        top += 1;
    }
    top
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_in_order_and_without_gaps() {
        for bucket in 0..BUCKETS {
            let (first, next) = (start(bucket), start(bucket + 1));
            assert!(first < next, "{bucket}");
            assert_eq!(of(first), bucket);
            assert_eq!(of(next - 1), bucket);
            assert_eq!(of(middle(bucket)), bucket);
        }
        assert_eq!(of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn a_value_is_known_to_an_eighth() {
        for value in [9, 100, 1_000, 123_456, 10_u64.pow(12)] {
            let middle = middle(of(value));
            assert!(middle.abs_diff(value) <= value / 8, "{value}: {middle}");
        }
    }
}
