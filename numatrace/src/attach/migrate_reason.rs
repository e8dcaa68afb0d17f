//! Names of the kernel's `enum migrate_reason` (include/linux/migrate_mode.h): their numbers differ between kernels, so BTF says.

use numatrace_common::cell::REASON_UNKNOWN;

use super::btf::KernelBtf;

/// How the constants begin.
const PREFIX: &str = "MR_";
/// The constant that only counts the others.
const HOW_MANY: &str = "MR_TYPES";

/// The names by number, in lower case without prefix (`compaction`, `syscall`, …); a number without a name is `reason_N`, the one
/// for reasons that were not seen `unknown`.
pub fn names(btf: &KernelBtf) -> Vec<String> {
    let constants = btf.enum_constants("migrate_reason").unwrap_or_default();
    (0..=REASON_UNKNOWN)
        .map(|number| {
            constants
                .iter()
                .find(|(name, value)| *value == i64::from(number) && name != HOW_MANY)
                .map_or_else(
                    || match number {
                        REASON_UNKNOWN => "unknown".to_owned(),
                        _ => format!("reason_{number}"),
                    },
                    |(name, _)| name.trim_start_matches(PREFIX).to_lowercase(),
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
        let names = names(&KernelBtf::from_bytes(b.build()).unwrap());
        assert_eq!(names[5], "reason_5");
        assert_eq!(names[usize::from(REASON_UNKNOWN)], "unknown");
    }

    #[test]
    fn this_kernel_s_names_are_lower_case_and_do_not_count_themselves() {
        let Ok(btf) = KernelBtf::from_path(std::path::Path::new(crate::attach::btf::VMLINUX))
        else {
            return;
        };
        let names = names(&btf);
        assert!(names.iter().any(|name| name == "numa_misplaced"));
        assert!(
            names
                .iter()
                .all(|name| name != "types" && !name.starts_with("MR_"))
        );
    }
}
