//! The lab: NUMA guests with Debian's kernels under QEMU's emulation, on machines that have neither
//! KVM nor nodes.
//!
//! In order of use: [`layout`] reads `--nodes`, [`kernel`], its [`modules`] and [`qemu`] come from
//! the mirror, [`initramfs`] packs the guest, [`disks`] and [`lines`] join it to the host,
//! [`guest`] boots it, [`verdict`] is how it ended, [`command`] is `cargo xtask vm`.

pub mod layout;

pub mod kernel;
pub mod modules;
pub mod numastat;
pub mod qemu;
pub mod redis;

pub mod disks;
pub mod initramfs;
pub mod lines;

pub mod guest;
pub mod verdict;

pub mod command;

/// The exit code of a lab that failed, apart from any status of a guest's command (as `git bisect
/// run` knows it).
pub const LAB_FAILED: u8 = 125;

/// Returns a word quoted for a shell.
#[must_use]
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}
