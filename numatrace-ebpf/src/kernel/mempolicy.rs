//! `struct mempolicy` (include/linux/mempolicy.h, include/uapi/linux/mempolicy.h).

use super::load;
use crate::globals::global;

/// `MPOL_PREFERRED`
const PREFERRED: u16 = 1;
/// `MPOL_INTERLEAVE`
pub const INTERLEAVE: u16 = 3;
/// `MPOL_WEIGHTED_INTERLEAVE`, from 6.9 on
pub const WEIGHTED_INTERLEAVE: u16 = 6;
/// `MPOL_F_MORON`, migrate on reference of a node: set in the kernel's own per-node default
/// policies only.
const F_MORON: u16 = 1 << 4;

/// A `struct mempolicy *` that may be NULL.
#[derive(Clone, Copy)]
pub struct Mempolicy(*const u8);

impl Mempolicy {
    /// Wraps a BTF-typed pointer: an argument, or a member of a task or mapping.
    #[inline(always)]
    pub fn from_pointer(pointer: *const u8) -> Self {
        Self(pointer)
    }

    /// Returns the mode that a program chose, 0 for the kernel's defaults: no policy, `MPOL_LOCAL`,
    /// and the per-node preferences that NUMA balancing gives to tasks without a policy.
    #[inline(always)]
    pub fn chosen_mode(self) -> u16 {
        if self.0.is_null() {
            return 0;
        }
        // SAFETY: a mempolicy pointer; the offsets are `unsigned short mode` and `flags`.
        let (mode, flags): (u16, u16) = unsafe {
            (
                load(self.0, global!(offsets.mempolicy_mode)),
                load(self.0, global!(offsets.mempolicy_flags)),
            )
        };
        match mode {
            PREFERRED if flags & F_MORON != 0 => 0,
            1 | 2 | 3 | 5 | 6 => mode,
            _ => 0,
        }
    }
}
