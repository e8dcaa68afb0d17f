//! Work of the kernel side that every command derives alike from scope and hooks.

use super::scope::Scope;
use crate::attach::{catalog::PAGE_FAULT, globals::Switches, selection::Selection};

/// Pages between two user stacks of one run where only some processes are traced. A stack takes
/// about as long as three page faults are apart, so the whole system has none by default.
const STACK_EVERY: u32 = 64;

/// Returns the switches of a session that counts by mapping and captures no stacks.
pub(super) fn by_mapping(scope: &Scope, hooks: &Selection, follow_children: bool) -> Switches {
    Switches {
        scoped: scope.is_limited(),
        follow_children,
        first_touch: hooks.has(PAGE_FAULT),
        mappings: true,
        ..Switches::default()
    }
}

/// Returns the default of `--stacks`.
pub(super) fn default_stack_every(scope: &Scope) -> u32 {
    if scope.is_limited() { STACK_EVERY } else { 0 }
}
