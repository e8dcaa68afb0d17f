//! Arrays of counts that later versions extend: a recording has as many counts as its writer knew.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Writes all counts.
///
/// # Errors
/// The serializer's error.
pub fn serialize<S: Serializer, const N: usize>(
    counts: &[u64; N],
    to: S,
) -> Result<S::Ok, S::Error> {
    counts.as_slice().serialize(to)
}

/// Reads the counts of the recording. Counts that it lacks are 0: its writer did not count them.
///
/// # Errors
/// The value is not a list of numbers.
pub fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
    from: D,
) -> Result<[u64; N], D::Error> {
    let mut counts = [0; N];
    for (count, read) in counts.iter_mut().zip(Vec::<u64>::deserialize(from)?) {
        *count = read;
    }
    Ok(counts)
}
