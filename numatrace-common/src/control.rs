//! The one word that userspace and the kernel programs both change: the epoch.

use bytemuck::{Pod, Zeroable};

/// The control word, a map of its own.
///
/// The epoch counts instants at which totals are cut: each fold of the kernel's own counters that we caused, each sweep,
/// and the exec of a launched command. A count key carries the epoch it was counted in, so the totals of any two cuts can be
/// told apart exactly, while everybody goes on counting.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Control {
    /// Current epoch.
    pub epoch: u64,
    /// Epoch that began at the last fold of numastat counters caused by us.
    pub fold_epoch: u64,
    /// Folds caused by us so far.
    pub folds: u64,
    /// What is attached, as far as another program must know ([`POLICY_HOOK`], [`EXCEPTION_TOUCHES`], [`SWITCHES`]).
    pub attached: u64,
    /// What is left out because it cost too much ([`NO_STACKS`], [`NO_RUNS`]); looked at only in sessions that have a limit.
    pub reduced: u64,
    /// Zero.
    pub reserved: u64,
}

/// The section of the object that the word lies in, which is its map's name.
pub const CONTROL_SECTION: &str = ".data.control";

/// Bit of [`Control::attached`]: the policy hook is there, so the cause of a remote allocation may be left to it.
pub const POLICY_HOOK: u64 = 1;

/// Bit of [`Control::attached`]: the allocation fallback counts first touches too, those of tasks in an exception from user mode.
pub const EXCEPTION_TOUCHES: u64 = 2;

/// Bit of [`Control::attached`]: switches of tasks are told, so a task need not be asked for at each of its events.
pub const SWITCHES: u64 = 4;

/// Bit of [`Control::reduced`]: no call stacks.
pub const NO_STACKS: u64 = 1;

/// Bit of [`Control::reduced`]: no runs by mapping, and so no stacks either.
pub const NO_RUNS: u64 = 2;

const _: () = assert!(size_of::<Control>() == 48);
