//! The memory policy of this thread, as `numactl --show` prints it: what a launcher such as numactl left us with.

use std::io;

use crate::ids::NodeId;

/// A policy and its nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The kernel's name for it: `default`, `bind`, `prefer`, `interleave`, `local`, `prefer (many)`, `weighted interleave`.
    pub mode: &'static str,
    /// The nodes it names; none for `default` and `local`.
    pub nodes: Vec<NodeId>,
}

/// Bits of the node mask: the kernel's largest number of nodes.
const NODES: usize = 1024;

/// The policy of the calling thread.
pub fn own() -> io::Result<Policy> {
    let mut mode: libc::c_int = 0;
    let mut mask = [0u64; NODES / 64];
    // SAFETY: both pointers are to live locals, the mask has at least the announced number of bits (the kernel reads one less
    // than it is told), and without flags the address is not used.
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

/// include/uapi/linux/mempolicy.h; the flags above the low byte do not change the mode.
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
        let bound = own();
        set(0, std::ptr::null());
        assert_eq!(
            bound.unwrap(),
            Policy {
                mode: "bind",
                nodes: vec![NodeId(0)]
            }
        );
        assert_eq!(
            own().unwrap(),
            Policy {
                mode: "default",
                nodes: vec![]
            }
        );
    }
}
