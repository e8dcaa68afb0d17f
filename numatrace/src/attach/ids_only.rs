//! The BTF in which aya finds its targets: our own targets under the kernel's ids, and nothing
//! else.
//!
//! aya reads the kernel's type information into one structure for each type and searches all
//! 150,000 of them, names included, for every program: half of the time to start. Our own reader
//! has an index. So aya gets a blob of nameless types, as many as the ids need to be the kernel's,
//! with the targets among them.

use std::collections::BTreeMap;

use anyhow::{Context as _, anyhow};
use aya::Btf;

use super::{
    btf::KernelBtf,
    catalog::{HOOKS, HookKind, PARKING, Row},
};

/// Kinds of types (include/uapi/linux/btf.h): a forward declaration (which refers to no other
/// type), a typedef, a function.
const FWD: u32 = 7;
const TYPEDEF: u32 = 8;
const FUNC: u32 = 12;

/// Returns the functions and tracepoints that a row of the table can attach to and this kernel has.
///
/// # Errors
/// aya does not accept the blob: a defect.
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

/// Builds types 1 to the last wanted one: wanted types at their ids, nameless declarations in
/// between.
fn blob(wanted: &BTreeMap<u32, (u32, String)>) -> Option<Vec<u8>> {
    // A header of 24 bytes; each type is its name, its kind in bits 24 to 28, and the type it
    // refers to, which aya does not follow.
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
    // Version 1, no flags.
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
    fn wanted_types_have_their_id_and_the_rest_no_name() {
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
