//! The words that userspace and the kernel programs both change while a session runs.

use bytemuck::{Pod, Zeroable};

/// The control words: six, in a map of their own.
///
/// The epoch counts the boundaries of totals: each fold of the kernel's own counters that we
/// caused, each sweep, and the exec of a launched command. A count key carries the epoch it was
/// counted in, so the totals between any two boundaries are exact, although programs continue to
/// count.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Control {
    /// Current epoch.
    pub epoch: u64,
    /// Epoch that began at the last fold of numastat counters caused by us.
    pub fold_epoch: u64,
    /// Number of folds caused by us so far.
    pub folds: u64,
    /// Hooks that are attached, as far as another program must know ([`POLICY_HOOK`],
    /// [`EXCEPTION_TOUCHES`], [`SWITCHES`]).
    pub attached: u64,
    /// Details that are left out because they cost too much ([`NO_STACKS`], [`NO_RUNS`]). Programs
    /// read it only in sessions that have a limit.
    pub reduced: u64,
    /// Zero.
    pub reserved: u64,
}

/// Section of the object that the control words lie in; it names their map.
pub const CONTROL_SECTION: &str = ".data.control";

/// Bit of [`Control::attached`]: the policy hook, so the cause of a remote allocation may be left
/// to it.
pub const POLICY_HOOK: u64 = 1;

/// Bit of [`Control::attached`]: the allocation fallback counts first touches too, those of tasks
/// in an exception from user mode.
pub const EXCEPTION_TOUCHES: u64 = 2;

/// Bit of [`Control::attached`]: a hook at context switches, which invalidates the cached task of a
/// CPU. Without it, each event looks its task up.
pub const SWITCHES: u64 = 4;

/// Bit of [`Control::reduced`]: no call stacks.
pub const NO_STACKS: u64 = 1;

/// Bit of [`Control::reduced`]: no runs by mapping, and so no stacks either.
pub const NO_RUNS: u64 = 2;

const _: () = assert!(size_of::<Control>() == 48);
