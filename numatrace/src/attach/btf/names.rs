//! Finds a type id by name and kind, without copying a name.
//!
//! A kernel has about 100,000 named types. One sorted list of (hash, id) costs 800 KB and a few
//! milliseconds; a map of strings costs ten times as much of both.

use super::format::{Blob, Kind, TypeId};

/// Sorted pairs of (hash of the name, type id) of all types that are looked up by name.
#[derive(Debug)]
pub(super) struct NameIndex(Vec<(u32, TypeId)>);

impl NameIndex {
    /// Indexes structs, unions, enums, typedefs and functions.
    pub fn of(blob: &Blob) -> Self {
        let named = blob.ids().filter_map(|id| {
            let found = blob.get(id)?;
            let wanted = matches!(
                found.kind,
                Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 | Kind::Typedef | Kind::Func
            );
            (wanted && found.name != 0).then(|| (hash(blob.name(found.name)), id))
        });
        let mut entries: Vec<_> = named.collect();
        entries.sort_unstable();
        Self(entries)
    }

    /// Returns the lowest id of that name among the given kinds: two kinds can share a name, and C
    /// files can define a name differently.
    pub fn find(&self, blob: &Blob, name: &[u8], kinds: &[Kind]) -> Option<TypeId> {
        let hash = hash(name);
        let first = self.0.partition_point(|(other, _)| *other < hash);
        let same_hash = self
            .0
            .get(first..)?
            .iter()
            .take_while(|(other, _)| *other == hash);
        same_hash.map(|(_, id)| *id).find(|id| {
            blob.get(*id)
                .is_some_and(|found| kinds.contains(&found.kind) && blob.name(found.name) == name)
        })
    }
}

/// FNV-1a with 32 bits: names are short and a collision only costs one more comparison.
fn hash(name: &[u8]) -> u32 {
    name.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}
