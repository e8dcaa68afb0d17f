//! The mapping that an event is about.

use numatrace_common::count_key::TouchKind;

use crate::{
    decode::mapping_run::Area,
    enrich::{Enrich, process::ProcessIndex},
    model::{Addr, MappingKind, event::Place},
};

/// Returns the range of addresses `low..high` of a process with the name of its mapping, as far as
/// that is known now.
pub fn place<F>(
    enrich: &Enrich<F>,
    process: ProcessIndex,
    area: &Area,
    kind: Option<TouchKind>,
    (low, high): (u64, u64),
) -> Place {
    let line = enrich.spaces.line(process, low);
    let by_file = area.file.and_then(|file| enrich.spaces.file(file));
    let name = by_file
        .or_else(|| line.map(|line| &line.name))
        .filter(|name| !name.is_empty());
    let kind = kind.map(|kind| match kind {
        TouchKind::Anon => MappingKind::Anon,
        TouchKind::Heap => MappingKind::Heap,
        TouchKind::Stack => MappingKind::Stack,
        TouchKind::File => MappingKind::File,
        TouchKind::Shmem => MappingKind::Shmem,
        TouchKind::Hugetlb => MappingKind::Hugetlb,
    });
    Place {
        kind,
        name: name.cloned(),
        low: Addr(low),
        high: Addr(high),
    }
}
