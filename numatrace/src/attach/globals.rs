//! Everything the kernel programs are told before they are loaded.

use std::{fs, os::unix::fs::MetadataExt};

use anyhow::Context;
use numatrace_common::globals::Globals;

use super::{btf::KernelBtf, offsets};

/// What a session decides; the rest follows from the kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct Switches {
    /// Only processes of the scope map are charged by name.
    pub scoped: bool,
    /// Children of processes in scope are in scope.
    pub follow_children: bool,
    /// Allocation runs are wanted as records.
    pub stream_runs: bool,
}

/// Addresses that only kallsyms knows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Addresses {
    /// `__preempt_count`, or its place in `pcpu_hot`; 0 when hidden.
    pub preempt_count: u64,
    /// `__per_cpu_offset`; 0 when hidden.
    pub per_cpu_offset: u64,
}

/// The frozen globals for this kernel and session.
///
/// # Errors
/// A struct member the kernel's BTF does not have, or an unreadable PID namespace.
pub fn globals(
    btf: &KernelBtf,
    switches: Switches,
    addresses: Addresses,
) -> anyhow::Result<Globals> {
    let pidns = fs::metadata("/proc/self/ns/pid")
        .context("cannot read /proc/self/ns/pid: is /proc mounted?")?;
    let shift = btf.nodes_shift()?;
    // Both addresses or none: one alone tells nothing.
    let known = addresses.preempt_count != 0 && addresses.per_cpu_offset != 0;
    Ok(Globals {
        preempt_count: if known { addresses.preempt_count } else { 0 },
        per_cpu_offset: if known { addresses.per_cpu_offset } else { 0 },
        pidns_dev: pidns.dev(),
        pidns_ino: pidns.ino(),
        tracer_pid: std::process::id(),
        // One node takes no bits: any shift will do, the mask makes it node 0.
        nodes_pgshift: if shift == 0 { 63 } else { 64 - shift },
        nodes_mask: (1u32 << shift.min(16)) - 1,
        pmd_order: pmd_order(),
        scoped: u32::from(switches.scoped),
        follow_children: u32::from(switches.follow_children),
        stream_runs: u32::from(switches.stream_runs),
        probe_read: 1,
        offsets: offsets::offsets(btf)?,
        gfp: offsets::gfp_bits(btf),
    })
}

/// log2 of a PMD-sized page in base pages, 9 (2 MiB of 4 KiB pages) where the kernel does not say.
fn pmd_order() -> u32 {
    let size = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size")
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok());
    size.and_then(|size| size.checked_div(4096))
        .and_then(u64::checked_ilog2)
        .unwrap_or(9)
}
