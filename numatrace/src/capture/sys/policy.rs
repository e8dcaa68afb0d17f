//! The memory policy of this thread, as `numactl --show` prints it: inherited from a launcher such
//! as numactl.

use std::io;

use crate::ids::NodeId;

/// A policy and its nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The kernel's name of the mode: `default`, `bind`, `prefer`, `interleave`, `local`,
    /// `prefer (many)`, `weighted interleave`.
    pub mode: &'static str,
    /// The nodes of the policy; none for `default` and `local`.
    pub nodes: Vec<NodeId>,
}

/// Bits of the node mask: the largest number of nodes that a kernel supports.
const NODES: usize = 1024;

/// Returns the policy of the calling thread.
pub fn of_this_thread() -> io::Result<Policy> {
    let mut mode: libc::c_int = 0;
    let mut mask = [0u64; NODES / 64];
    // SAFETY: both pointers are to live locals, the mask has the passed number of bits (the kernel
    // uses one less than the argument), and without flags the address is not used.
    let failed = unsafe {
        libc::syscall(
            libc::SYS_get_mempolicy,
            &raw mut mode,
            mask.as_mut_ptr(),
            NODES + 1,
            0usize,
            0usize,
        )
    };
    if failed != 0 {
        return Err(io::Error::last_os_error());
    }
    let bits = mask.iter().enumerate().flat_map(|(word, bits)| {
        (0..64)
            .filter(move |bit| bits >> bit & 1 == 1)
            .map(move |bit| word * 64 + bit)
    });
    Ok(Policy {
        mode: name(mode),
        nodes: bits
            .filter_map(|node| u16::try_from(node).ok())
            .map(NodeId)
            .collect(),
    })
}

/// Returns the name of a mode (include/uapi/linux/mempolicy.h); the flags above the low byte do not
/// change it.
fn name(mode: libc::c_int) -> &'static str {
    match mode & 0xff {
        0 => "default",
        1 => "prefer",
        2 => "bind",
        3 => "interleave",
        4 => "local",
        5 => "prefer (many)",
        6 => "weighted interleave",
        _ => "unknown to this version",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_thread_has_the_policy_it_sets() {
        let mask = [1u64; 1];
        let set = |mode: usize, mask: *const u64| {
            // SAFETY: the mask, where one is given, lives through the call and has 64 bits.
            unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, mask, 65usize) }
        };
        assert_eq!(set(2, mask.as_ptr()), 0, "{}", io::Error::last_os_error());
        let bound = of_this_thread();
        set(0, std::ptr::null());
        assert_eq!(
            bound.unwrap(),
            Policy {
                mode: "bind",
                nodes: vec![NodeId(0)]
            }
        );
        assert_eq!(
            of_this_thread().unwrap(),
            Policy {
                mode: "default",
                nodes: vec![]
            }
        );
    }
}
