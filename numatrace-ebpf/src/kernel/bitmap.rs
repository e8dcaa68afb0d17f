//! `nodemask_t` (include/linux/nodemask.h) and `struct cpumask` (include/linux/cpumask.h): words of
//! 64 bits, as many as the kernel was built for.

use aya_ebpf::helpers::generated::bpf_probe_read_user;
use numatrace_common::event::NodeSet;

use super::load;
use crate::globals::global;

/// Words of a `nodemask_t` with the most nodes that a kernel can have.
pub const NODE_WORDS: u32 = 16;

/// Bits of a word.
const BITS: u64 = 64;

/// Copies a `nodemask_t` that lies at `offset` of a struct.
///
/// # Safety
/// `base` must be a pointer the verifier knows the BTF type of, and `offset` that of a `nodemask_t`
/// in it.
#[inline(always)]
pub unsafe fn nodes(base: *const u8, offset: u32, to: &mut NodeSet) {
    // SAFETY: the caller's promise.
    unsafe { copy(base, offset, global!(offsets.nodemask_words), to) };
}

/// Copies the first words of a `struct cpumask`.
///
/// # Safety
/// `mask` must be a pointer the verifier knows as a `struct cpumask *`.
#[inline(always)]
pub unsafe fn cpus(mask: *const u8, to: &mut NodeSet) {
    // SAFETY: the caller's promise.
    unsafe { copy(mask, 0, global!(offsets.cpumask_words), to) };
}

/// # Safety
/// There must be `words` words of 64 bits at `offset`.
#[inline(always)]
unsafe fn copy(base: *const u8, offset: u32, words: u32, to: &mut NodeSet) {
    for (at, word) in (0u32..).zip(to.iter_mut()) {
        *word = if at < words {
            // SAFETY: the caller's promise; the verifier checks it too.
            unsafe { load(base, offset + at * 8) }
        } else {
            0
        };
    }
}

/// Copies a set of nodes that a system call was passed, as `get_nodes` in mm/mempolicy.c reads it:
/// `maxnode` is one more than the number of bits. Empty where it cannot be read.
#[inline(always)]
pub fn user_nodes(mask: u64, maxnode: u64, to: &mut NodeSet) {
    *to = [0; 16];
    let bits = maxnode.wrapping_sub(1).min(BITS * to.len() as u64);
    if mask == 0 || maxnode < 2 {
        return;
    }
    let bytes = bits.div_ceil(BITS) * 8;
    // SAFETY: the helper checks the address; the buffer is longer than the most it is asked for.
    unsafe {
        bpf_probe_read_user(
            to.as_mut_ptr().cast(),
            bytes as u32 & 0xff,
            mask as *const _,
        )
    };
    let rest = bits % BITS;
    if rest != 0 {
        // The mask keeps the index within the array.
        to[(bits / BITS) as usize & 15] &= (1 << rest) - 1;
    }
}
