//! From a name and a kind to a type id, without copying a name.
//!
//! A kernel has about 100,000 named types; one sorted list of (hash, id) costs 800 KB and a few milliseconds, where a map of
//! strings costs ten times both.

use super::format::{Blob, Kind, TypeId};

/// Sorted (hash of the name, type id) of everything that is looked up by name.
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

    /// The lowest id of that name among the kinds asked for: two kinds can share a name, and C files can disagree about one.
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

/// FNV-1a, 32 bits: names are short and a collision only costs one more comparison.
fn hash(name: &[u8]) -> u32 {
    name.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}
