//! Mappings to kinds of memory: numa_maps has nodes and policies, smaps adds permissions, names and
//! huge pages.

use std::collections::{BTreeMap, HashMap};

use super::process::PageSizes;
use crate::capture::sys::numa_maps::{MapLine, is_shared_memory};
use crate::capture::sys::smaps::Vma;
use crate::ids::NodeId;
use crate::model::name::Name;
use crate::model::stat::kinds::{Kind, KindMemory, MappingMemory, PolicyMemory, ProcessKinds, Thp};

/// Sums of one process while its mappings are read.
pub struct Kinds<'a> {
    nodes: &'a [NodeId],
    sizes: PageSizes,
    vmas: HashMap<u64, Vma>,
    kinds: BTreeMap<Kind, Sum>,
    thp: Thp,
    mappings: Option<Vec<MappingMemory>>,
}

/// Sums of one kind.
#[derive(Default)]
struct Sum {
    /// KiB per node.
    kib: Vec<u64>,
    /// KiB per policy.
    policies: BTreeMap<Vec<u8>, u64>,
}

impl<'a> Kinds<'a> {
    /// Empty sums. `vmas` are the process's mappings from smaps; with `by_mapping` each one is
    /// kept.
    #[must_use]
    pub fn new(nodes: &'a [NodeId], sizes: PageSizes, vmas: Vec<Vma>, by_mapping: bool) -> Self {
        Self {
            nodes,
            sizes,
            vmas: vmas.into_iter().map(|vma| (vma.start, vma)).collect(),
            kinds: BTreeMap::new(),
            thp: Thp {
                kib: vec![0; nodes.len()],
                somewhere_kib: 0,
            },
            mappings: by_mapping.then(Vec::new),
        }
    }

    /// Adds one mapping; mappings without resident pages are left out.
    pub fn add(&mut self, map: &MapLine<'_>) {
        let page_kb = self.sizes.of(map);
        let mut kib = vec![0u64; self.nodes.len()];
        for (node, pages) in &map.pages {
            if let Some(sum) = self
                .nodes
                .binary_search(node)
                .ok()
                .and_then(|position| kib.get_mut(position))
            {
                *sum = sum.saturating_add(pages.saturating_mul(page_kb));
            }
        }
        let total: u64 = kib.iter().sum();
        if total == 0 {
            return;
        }
        let vma = self.vmas.get(&map.start);
        let kind = kind(map, vma);
        let sum = self.kinds.entry(kind).or_default();
        sum.kib.resize(kib.len(), 0);
        sum.kib
            .iter_mut()
            .zip(&kib)
            .for_each(|(sum, kib)| *sum = sum.saturating_add(*kib));
        match sum.policies.get_mut(map.policy) {
            Some(sum) => *sum = sum.saturating_add(total),
            None => _ = sum.policies.insert(map.policy.to_vec(), total),
        }
        let thp_kib = vma.map_or(0, |vma| vma.thp_kb);
        place_thp(&mut self.thp, thp_kib, &kib, total);
        if let Some(mappings) = &mut self.mappings {
            let name = vma.map_or_else(|| map.file.unwrap_or_default(), |vma| vma.name.as_slice());
            mappings.push(MappingMemory {
                start: format!("{:#x}", map.start),
                end: vma.map(|vma| format!("{:#x}", vma.end)),
                kind,
                name: Name::from(name),
                policy: Name::from(map.policy),
                kib,
                thp_kib,
            });
        }
    }

    /// Returns the sums.
    #[must_use]
    pub fn finish(self) -> ProcessKinds {
        let kind = |(kind, Sum { kib, policies }): (Kind, Sum)| {
            let policy = |(policy, kib): (Vec<u8>, u64)| PolicyMemory {
                policy: Name::from(policy),
                kib,
            };
            let mut policies: Vec<PolicyMemory> = policies.into_iter().map(policy).collect();
            policies.sort_by_key(|policy| std::cmp::Reverse(policy.kib));
            KindMemory {
                kind,
                kib,
                policies,
            }
        };
        ProcessKinds {
            kinds: self.kinds.into_iter().map(kind).collect(),
            thp: self.thp,
            mappings: self.mappings,
        }
    }
}

/// Adds the huge pages of a mapping to the nodes where that is certain: a mapping on one node has
/// them there, and a mapping of nothing but huge pages has them where its pages are.
fn place_thp(thp: &mut Thp, thp_kib: u64, kib: &[u64], total: u64) {
    if thp_kib == 0 {
        return;
    }
    let on = kib.iter().filter(|&&kib| kib > 0).count();
    if thp_kib >= total || on == 1 {
        for (sum, &kib) in thp.kib.iter_mut().zip(kib) {
            *sum = sum.saturating_add(kib.min(thp_kib));
        }
    } else {
        thp.somewhere_kib = thp.somewhere_kib.saturating_add(thp_kib);
    }
}

/// Returns the kind of a mapping. Without its VMA (it changed between two reads) a file mapping
/// counts as page cache.
fn kind(map: &MapLine<'_>, vma: Option<&Vma>) -> Kind {
    if map.huge {
        return Kind::Hugetlb;
    }
    if map.heap {
        return Kind::Heap;
    }
    if map.stack {
        return Kind::Stack;
    }
    let Some(file) = map.file else {
        return Kind::Anon;
    };
    if is_shared_memory(file) {
        return Kind::Shmem;
    }
    match vma {
        Some(vma) if vma.exec => Kind::Text,
        Some(vma) if vma.write && !vma.shared => Kind::Data,
        _ => Kind::File,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: [NodeId; 2] = [NodeId(0), NodeId(4)];

    fn map<'a>(start: u64, file: &'a str, pages: [u64; 2]) -> MapLine<'a> {
        MapLine {
            start,
            policy: b"default",
            file: (!file.is_empty()).then_some(file.as_bytes()),
            page_kb: Some(4),
            pages: vec![(NodeId(0), pages[0]), (NodeId(4), pages[1])],
            ..MapLine::default()
        }
    }

    fn vma(start: u64, exec: bool, write: bool, thp_kb: u64) -> Vma {
        Vma {
            start,
            end: start + 4096,
            exec,
            write,
            thp_kb,
            ..Vma::default()
        }
    }

    #[test]
    fn each_mapping_is_of_one_kind_and_kinds_add_up() {
        let vmas = vec![
            vma(1, true, false, 0),
            vma(2, false, true, 0),
            vma(3, false, false, 0),
        ];
        let mut kinds = Kinds::new(
            &NODES,
            PageSizes {
                base_kb: 4,
                default_huge_kb: 2048,
            },
            vmas,
            true,
        );
        for (start, file) in [
            (1, "/lib/a"),
            (2, "/lib/a"),
            (3, "/lib/a"),
            (4, ""),
            (5, "/memfd:x\\040(deleted)"),
            (6, "/dev/zero\\040(deleted)"),
        ] {
            kinds.add(&map(start, file, [start, 0]));
        }
        kinds.add(&MapLine {
            huge: true,
            page_kb: Some(2048),
            policy: b"bind:4",
            ..map(7, "/anon_hugepage", [0, 1])
        });
        kinds.add(&MapLine {
            heap: true,
            policy: b"interleave:0,4",
            ..map(8, "", [1, 1])
        });
        kinds.add(&map(9, "", [0, 0]));
        let done = kinds.finish();
        let got: Vec<(Kind, Vec<u64>)> = done
            .kinds
            .iter()
            .map(|kind| (kind.kind, kind.kib.clone()))
            .collect();
        let wanted = [
            (Kind::Heap, vec![4, 4]),
            (Kind::Anon, vec![16, 0]),
            (Kind::Hugetlb, vec![0, 2048]),
            (Kind::Text, vec![4, 0]),
            (Kind::Data, vec![8, 0]),
            (Kind::File, vec![12, 0]),
            (Kind::Shmem, vec![44, 0]),
        ];
        assert_eq!(got, wanted);
        assert_eq!(done.kinds[0].policies[0].policy, *"interleave:0,4");
        assert_eq!(
            done.mappings.unwrap().len(),
            8,
            "mappings without pages are left out"
        );
    }

    #[test]
    fn huge_pages_get_a_node_only_where_it_is_certain() {
        let vmas = vec![
            vma(1, false, true, 2048),
            vma(2, false, true, 4096),
            vma(3, false, true, 2048),
        ];
        let mut kinds = Kinds::new(
            &NODES,
            PageSizes {
                base_kb: 4,
                default_huge_kb: 2048,
            },
            vmas,
            false,
        );
        kinds.add(&map(1, "", [0, 600]));
        kinds.add(&map(2, "", [512, 512]));
        kinds.add(&map(3, "", [512, 100]));
        assert_eq!(
            kinds.finish().thp,
            Thp {
                kib: vec![2048, 2048 + 2048],
                somewhere_kib: 2048
            }
        );
    }
}
