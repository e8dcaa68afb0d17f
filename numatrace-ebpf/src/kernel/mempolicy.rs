//! `struct mempolicy` (include/linux/mempolicy.h, include/uapi/linux/mempolicy.h).

use numatrace_common::{count_key::BIND_SEVERAL, event::NodeSet};

use super::{bitmap, bitmap::NODE_WORDS, load};
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

/// `MPOL_BIND`
pub const BIND: u16 = 2;

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

    /// Returns the mode that a program chose as the mark of a count key: [`BIND_SEVERAL`] for a
    /// bind to more than one node.
    #[inline(always)]
    pub fn mark(self, mode: u16) -> u8 {
        if mode != BIND || self.0.is_null() {
            return mode as u8;
        }
        let mut seen = 0u64;
        let mut several = false;
        for at in 0..NODE_WORDS {
            if at < global!(offsets.nodemask_words) {
                // SAFETY: a mempolicy pointer; the offset is a word of `nodemask_t nodes`.
                let word: u64 = unsafe { load(self.0, global!(offsets.mempolicy_nodes) + at * 8) };
                several |= word & word.wrapping_sub(1) != 0 || word != 0 && seen != 0;
                seen |= word;
            }
        }
        if several { BIND_SEVERAL } else { mode as u8 }
    }

    /// Copies the policy's nodes; none without a policy.
    #[inline(always)]
    pub fn nodes(self, to: &mut NodeSet) {
        if self.0.is_null() {
            *to = [0; 16];
        } else {
            // SAFETY: a mempolicy pointer; the offset is `nodemask_t nodes`.
            unsafe { bitmap::nodes(self.0, global!(offsets.mempolicy_nodes), to) };
        }
    }
}
