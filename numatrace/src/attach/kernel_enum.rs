//! Names of the kernel's reasons, read from its enums in BTF: their numbers differ between kernels.

use numatrace_common::count_key::REASON_UNKNOWN;
use serde::{Deserialize, Serialize};

use super::btf::KernelBtf;

/// Names of reasons by number, up to the largest number that a count key can hold.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ReasonNames {
    /// Why pages were migrated: `enum migrate_reason` (include/linux/migrate_mode.h).
    pub migrate: Vec<String>,
    /// Why NUMA balancing left a mapping alone: `enum numa_vmaskip_reason`
    /// (include/linux/sched/numa_balancing.h).
    pub skip: Vec<String>,
}

impl ReasonNames {
    /// Reads the names of a kernel.
    #[must_use]
    pub fn of(btf: &KernelBtf) -> Self {
        Self {
            migrate: names(btf, "migrate_reason", "MR_", "MR_TYPES"),
            skip: names(btf, "numa_vmaskip_reason", "NUMAB_SKIP_", ""),
        }
    }
}

/// Returns the names by number, in lower case without prefix (`compaction`, `syscall`, …). A number
/// without a name is `reason_N`; [`REASON_UNKNOWN`] is `unknown`. The constant `how_many` only
/// counts the others and is no reason.
fn names(btf: &KernelBtf, name: &str, prefix: &str, how_many: &str) -> Vec<String> {
    let constants = btf.enum_constants(name).unwrap_or_default();
    (0..=REASON_UNKNOWN)
        .map(|number| {
            constants
                .iter()
                .find(|(name, value)| *value == i64::from(number) && name != how_many)
                .map_or_else(
                    || match number {
                        REASON_UNKNOWN => "unknown".to_owned(),
                        _ => format!("reason_{number}"),
                    },
                    |(name, _)| name.trim_start_matches(prefix).to_lowercase(),
                )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attach::btf::fixture::BtfBuilder;

    #[test]
    fn a_kernel_without_the_enum_has_numbers_for_names() {
        let mut b = BtfBuilder::new();
        b.int("int", 4);
        let names = ReasonNames::of(&KernelBtf::from_bytes(b.build()).unwrap());
        assert_eq!(names.migrate[5], "reason_5");
        assert_eq!(names.skip[usize::from(REASON_UNKNOWN)], "unknown");
    }

    #[test]
    fn this_kernel_s_names_are_lower_case_and_do_not_count_themselves() {
        let Ok(btf) = KernelBtf::from_path(std::path::Path::new(crate::attach::btf::VMLINUX))
        else {
            return;
        };
        let names = ReasonNames::of(&btf);
        assert!(names.migrate.iter().any(|name| name == "numa_misplaced"));
        assert!(
            names
                .migrate
                .iter()
                .all(|name| name != "types" && !name.starts_with("MR_"))
        );
    }
}
