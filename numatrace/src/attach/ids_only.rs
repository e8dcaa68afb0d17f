//! What aya is to look targets up in: our own targets with the kernel's ids, and nothing else.
//!
//! aya reads the kernel's type information into a structure per type and goes through all 150,000 of them, names included, for every program. That
//! is half of the time to start. Our reader has an index; so aya is given types without names, as many as are needed for the ids to be the
//! kernel's, and the targets among them.

use std::collections::BTreeMap;

use anyhow::{Context as _, anyhow};
use aya::Btf;

use super::{
    btf::KernelBtf,
    catalog::{HOOKS, HookKind, PARKING, Row},
};

/// Kinds of types (include/uapi/linux/btf.h): a forward declaration, which needs nothing, a typedef, a function.
const FWD: u32 = 7;
const TYPEDEF: u32 = 8;
const FUNC: u32 = 12;

/// Everything that a row of the table can attach to, as far as this kernel has it.
///
/// # Errors
/// aya does not take it: a defect.
pub fn targets(btf: &KernelBtf) -> anyhow::Result<Btf> {
    let mut wanted: BTreeMap<u32, (u32, String)> = BTreeMap::new();
    for probe in HOOKS.iter().flat_map(Row::probes).chain([&PARKING]) {
        for target in probe.targets {
            let (kind, name) = match probe.kind {
                HookKind::Fentry | HookKind::Fexit => (FUNC, (*target).to_owned()),
                HookKind::TpBtf | HookKind::OnDemand => (TYPEDEF, format!("btf_trace_{target}")),
            };
            let id = if kind == FUNC {
                btf.function_id(&name)
            } else {
                btf.typedef_id(&name)
            };
            if let Some(id) = id {
                wanted.insert(id, (kind, name));
            }
        }
    }
    let bytes = blob(&wanted).context("the kernel has too many types")?;
    Btf::parse(&bytes, Default::default())
        .map_err(|error| anyhow!(error).context("cannot hand type ids on"))
}

/// Types 1 to the last wanted one: what is wanted by its id, nameless declarations in between.
fn blob(wanted: &BTreeMap<u32, (u32, String)>) -> Option<Vec<u8>> {
    // A header of 24 bytes; each type is name, kind in bits 24 to 28, and the type it refers to, of which nothing is looked at.
    let last = wanted.keys().next_back().copied().unwrap_or(0);
    let mut types = Vec::with_capacity(usize::try_from(last).ok()?.checked_mul(12)?);
    let mut names = vec![0u8];
    for id in 1..=last {
        let (name, kind) = match wanted.get(&id) {
            Some((kind, name)) => {
                let at = u32::try_from(names.len()).ok()?;
                names.extend(name.bytes().chain([0]));
                (at, *kind)
            }
            None => (0, FWD),
        };
        for word in [name, kind << 24, 0] {
            types.extend(word.to_ne_bytes());
        }
    }
    let length = u32::try_from(types.len()).ok()?;
    let mut blob = Vec::with_capacity(24 + types.len() + names.len());
    blob.extend(0xeb9f_u16.to_ne_bytes());
    // Version and flags.
    blob.extend([1, 0]);
    for word in [24, 0, length, length, u32::try_from(names.len()).ok()?] {
        blob.extend(word.to_ne_bytes());
    }
    blob.extend(types);
    blob.extend(names);
    Some(blob)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_has_its_id_and_the_rest_no_name() {
        let wanted = BTreeMap::from([
            (3, (FUNC, "handle_mm_fault".to_owned())),
            (70_000, (TYPEDEF, "btf_trace_sched_switch".to_owned())),
        ]);
        let btf = KernelBtf::from_bytes(blob(&wanted).unwrap()).unwrap();
        assert_eq!(btf.function_id("handle_mm_fault"), Some(3));
        assert_eq!(btf.typedef_id("btf_trace_sched_switch"), Some(70_000));
        assert_eq!(btf.function_id("btf_trace_sched_switch"), None);
        Btf::parse(&blob(&wanted).unwrap(), Default::default()).unwrap();
    }
}
