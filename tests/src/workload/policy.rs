//! Memory policies of address ranges, by raw system calls: three calls do not need libnuma.

use std::io;

use anyhow::Result;

use super::memory::Region;
use super::trouble::Trouble;

/// `MPOL_*` of the kernel's `mempolicy.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub enum Mode {
    /// Only these nodes. The balancer does not scan such memory.
    Bind = 2,
    /// Only these nodes, and scanned by the balancer, which does not move pages away from them
    /// (`MPOL_F_NUMA_BALANCING`, since 5.12).
    BindScanned = 2 | 1 << 13,
    /// Page by page over the nodes.
    Interleave = 3,
    /// These nodes first, the nearest one before the others; since 5.15.
    PreferredMany = 5,
    /// Page by page by the weights in sysfs; since 6.9.
    WeightedInterleave = 6,
}

/// Bits for as many nodes as any kernel has (`MAX_NUMNODES` is at most 1024).
const MASK_WORDS: usize = 16;
const MASK_BITS: u64 = 1024;
/// `MPOL_F_NODE | MPOL_F_ADDR`: asks for the node of the page at an address.
const NODE_OF_ADDRESS: u64 = 1 | 2;

/// Sets the policy of a region that has not been touched yet.
///
/// # Errors
/// [`Trouble::Unsupported`] when the kernel does not know that mode or has no NUMA support.
pub fn set(region: &Region, mode: Mode, nodes: &[u32]) -> Result<(), Trouble> {
    let mask = mask_of(nodes)?;
    // SAFETY: the range is the region's and the mask outlives the call; the kernel reads one bit
    // less than it is given.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mbind,
            region.start(),
            region.len(),
            mode as i64,
            mask.as_ptr(),
            MASK_BITS + 1,
            0,
        )
    };
    if done == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::ENOSYS) => Err(Trouble::Unsupported(
            "the kernel has no NUMA support (mbind is not there)".into(),
        )),
        Some(libc::EINVAL) => Err(Trouble::Unsupported(format!(
            "mbind refuses {mode:?} on nodes {nodes:?}: kernel too old, or a node without memory"
        ))),
        _ => Err(anyhow::anyhow!("mbind {mode:?} to nodes {nodes:?}: {error}").into()),
    }
}

/// Sets the policy of this thread.
///
/// # Errors
/// When the kernel refuses it.
pub fn set_thread(mode: Mode, nodes: &[u32]) -> Result<(), Trouble> {
    let mask = mask_of(nodes)?;
    // SAFETY: the mask outlives the call; the kernel reads one bit less than it is told.
    let done = unsafe {
        libc::syscall(
            libc::SYS_set_mempolicy,
            mode as i64,
            mask.as_ptr(),
            MASK_BITS + 1,
        )
    };
    if done == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    Err(anyhow::anyhow!("set_mempolicy {mode:?} to nodes {nodes:?}: {error}").into())
}

fn mask_of(nodes: &[u32]) -> Result<[u64; MASK_WORDS], Trouble> {
    let mut mask = [0u64; MASK_WORDS];
    for &node in nodes {
        let word = mask
            .get_mut(node as usize / 64)
            .ok_or_else(|| Trouble::Unsupported(format!("no kernel has a node {node}")))?;
        *word |= 1 << (node % 64);
    }
    Ok(mask)
}

/// Returns the node of the page at `address`, by `get_mempolicy(2)`. The call reads the page, so an
/// absent one is faulted in.
///
/// # Errors
/// Nothing is mapped there, or the kernel has no NUMA support.
pub fn node_of(address: usize) -> Result<u32> {
    let mut node: i32 = -1;
    let none = std::ptr::null_mut::<u64>();
    // SAFETY: the kernel writes one int to `node` and nothing through the null mask.
    let done = unsafe {
        libc::syscall(
            libc::SYS_get_mempolicy,
            &raw mut node,
            none,
            0u64,
            address,
            NODE_OF_ADDRESS,
        )
    };
    anyhow::ensure!(
        done == 0,
        "get_mempolicy of {address:#x}: {}",
        io::Error::last_os_error()
    );
    Ok(u32::try_from(node)?)
}
