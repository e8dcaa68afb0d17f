//! Counts by a number that later versions have more of: a recording has as many as there were when it was made.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// All of them.
///
/// # Errors
/// The serializer's.
pub fn serialize<S: Serializer, const N: usize>(
    counts: &[u64; N],
    to: S,
) -> Result<S::Ok, S::Error> {
    counts.as_slice().serialize(to)
}

/// Those there are; the others are 0, for nothing counted them.
///
/// # Errors
/// It is no list of numbers.
pub fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
    from: D,
) -> Result<[u64; N], D::Error> {
    let mut counts = [0; N];
    for (count, read) in counts.iter_mut().zip(Vec::<u64>::deserialize(from)?) {
        *count = read;
    }
    Ok(counts)
}
