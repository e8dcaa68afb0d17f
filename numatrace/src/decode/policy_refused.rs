//! Typed records of refused calls about memory policy and CPU affinity, and why they were refused.
//!
//! The kernel says EINVAL to a dozen different mistakes. Its checks are repeated here, on the
//! arguments that the record carries (mm/mempolicy.c, mm/migrate.c, kernel/sched/syscalls.c, the
//! manual pages of the calls).

use numatrace_common::event::policy_refused::{PolicyCall, PolicyRefused as Raw};
use serde::{Deserialize, Serialize};

use super::{count::ThreadId, failure};
use crate::ids::{NodeId, Pid, Tid};

/// A call was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRefused {
    /// The thread that called.
    pub thread: ThreadId,
    /// The call; `None` for a number this version does not know.
    pub call: Option<PolicyCall>,
    /// Error number, positive.
    pub errno: u32,
    /// Its cause; `None` where the arguments do not tell.
    pub why: Option<Why>,
    /// Arguments, as [`PolicyCall`] lists them.
    pub args: [u64; 4],
    /// Node of the CPU.
    pub cpu_node: NodeId,
    /// Nodes asked for, or CPUs of sched_setaffinity(2), up to number 1,023.
    pub set: Vec<u16>,
    /// Nodes of the thread's cpuset.
    pub allowed: Vec<NodeId>,
    /// Number of the user stack.
    pub stack: Option<u32>,
    /// The word at the stack pointer: a return address where the stack begins in a wrapper without
    /// a frame.
    pub caller: Option<u64>,
}

/// Cause of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Why {
    /// The address is not a multiple of the page size.
    Unaligned,
    /// The range ends before it begins.
    Overflow,
    /// Flags that there are not.
    Flags,
    /// A mode that there is not.
    Mode,
    /// Flags of the mode that exclude each other or do not go with it.
    ModeFlags,
    /// A set without nodes, for a mode that wants some.
    NoNodes,
    /// A set with nodes, for a mode that takes none.
    NeedlessNodes,
    /// No node of the set has memory and is in the cpuset.
    NodesNotAllowed,
    /// An empty set of CPUs.
    NoCpus,
    /// No CPU of the set exists and is allowed.
    CpusNotAllowed,
    /// Nothing is mapped at a part of the range, or an argument cannot be read.
    NotMapped,
    /// Pages lie on other nodes and were to stay or could not be moved (`MPOL_MF_STRICT`).
    Misplaced,
    /// `CAP_SYS_NICE` is missing.
    Capability,
    /// The process or thread is gone.
    NoProcess,
    /// A node that is not online.
    NodeOffline,
    /// A node that the cpuset forbids.
    NodeForbidden,
    /// The range has no policy of its own.
    NoPolicy,
    /// The policy of the range is neither `MPOL_BIND` nor `MPOL_PREFERRED_MANY`.
    PolicyMode,
    /// Memory for the kernel itself is short.
    Memory,
    /// The filter of seccomp(2) refused the call before the kernel looked at it.
    Filter,
}

impl Why {
    /// The cause in a few words, to stand in parentheses behind the error's name.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Why::Unaligned => "address not page-aligned",
            Why::Overflow => "the range ends before it begins",
            Why::Flags => "unknown flags",
            Why::Mode => "unknown mode",
            Why::ModeFlags => "flags that do not go with the mode",
            Why::NoNodes => "no nodes given",
            Why::NeedlessNodes => "nodes given to a mode that takes none",
            Why::NodesNotAllowed => "no node of the set has memory and is in the cpuset",
            Why::NoCpus => "no CPUs given",
            Why::CpusNotAllowed => "no CPU of the set exists and is in the cpuset",
            Why::NotMapped => "memory that is not mapped",
            Why::Misplaced => "pages lie on other nodes, MPOL_MF_STRICT",
            Why::Capability => "needs CAP_SYS_NICE",
            Why::NoProcess => "no such process",
            Why::NodeOffline => "the node is not online",
            Why::NodeForbidden => "the cpuset does not allow the node",
            Why::NoPolicy => "the range has no policy",
            Why::PolicyMode => "the range's policy has no home node",
            Why::Memory => "no memory for the kernel itself",
            Why::Filter => "by its seccomp filter",
        }
    }
}

impl From<Raw> for PolicyRefused {
    fn from(raw: Raw) -> Self {
        let Raw {
            header: _,
            start_ns,
            tid,
            tgid,
            call,
            errno,
            args,
            cpu_node,
            filtered,
            set,
            allowed,
            stack,
            caller,
        } = raw;
        let call = usize::try_from(call)
            .ok()
            .and_then(|number| PolicyCall::ALL.get(number).copied());
        let set: Vec<u16> = failure::members(&set).collect();
        let allowed = failure::nodes(&allowed);
        Self {
            thread: ThreadId {
                pid: Pid(tgid),
                tid: Tid(tid),
                start_ns,
            },
            call,
            errno,
            why: if filtered == 0 {
                call.and_then(|call| why(call, errno, &args, &set, &allowed))
            } else {
                Some(Why::Filter)
            },
            args,
            cpu_node: failure::node(cpu_node),
            set,
            allowed,
            stack: u32::try_from(stack).ok(),
            caller: (caller != 0).then_some(caller),
        }
    }
}

/// Error numbers (include/uapi/asm-generic/errno-base.h).
const EPERM: u32 = 1;
const ENOENT: u32 = 2;
const ESRCH: u32 = 3;
const EIO: u32 = 5;
const ENOMEM: u32 = 12;
const EACCES: u32 = 13;
const EFAULT: u32 = 14;
const ENODEV: u32 = 19;
const EINVAL: u32 = 22;
const EOPNOTSUPP: u32 = 95;

/// The cause of a refusal, as far as its arguments tell.
fn why(
    call: PolicyCall,
    errno: u32,
    args: &[u64; 4],
    set: &[u16],
    allowed: &[NodeId],
) -> Option<Why> {
    Some(match (errno, call) {
        (EPERM, _) => Why::Capability,
        (ESRCH, _) => Why::NoProcess,
        (ENOMEM, _) => Why::Memory,
        (EFAULT, _) => Why::NotMapped,
        (EIO, _) => Why::Misplaced,
        (EACCES, PolicyCall::MovePages) => Why::NodeForbidden,
        (ENODEV, PolicyCall::MovePages) => Why::NodeOffline,
        (ENOENT, PolicyCall::SetMempolicyHomeNode) => Why::NoPolicy,
        (EOPNOTSUPP, PolicyCall::SetMempolicyHomeNode) => Why::PolicyMode,
        (EINVAL, call) => return invalid(call, args, set, allowed),
        _ => return None,
    })
}

/// The cause of EINVAL: the checks of the call, in the kernel's order.
fn invalid(call: PolicyCall, args: &[u64; 4], set: &[u16], allowed: &[NodeId]) -> Option<Why> {
    /// `MPOL_MF_STRICT`, `MPOL_MF_MOVE`, `MPOL_MF_MOVE_ALL`
    const MBIND_FLAGS: u64 = 7;
    /// `MPOL_MF_MOVE`, `MPOL_MF_MOVE_ALL`
    const MOVE_FLAGS: u64 = 6;
    let [first, second, third, fourth] = *args;
    match call {
        PolicyCall::Mbind => {
            // The kernel looks at mode and nodes first.
            mode(third, set, allowed)
                .filter(|why| *why != Why::NodesNotAllowed)
                .or((fourth & !MBIND_FLAGS != 0).then_some(Why::Flags))
                .or_else(|| range(first, second))
                .or_else(|| mode(third, set, allowed))
        }
        PolicyCall::SetMempolicy => mode(first, set, allowed),
        PolicyCall::SetMempolicyHomeNode => range(first, second)
            .or((fourth != 0).then_some(Why::Flags))
            .or(Some(Why::NodeOffline)),
        PolicyCall::MovePages => (third & !MOVE_FLAGS != 0).then_some(Why::Flags),
        PolicyCall::MigratePages => Some(if set.is_empty() {
            Why::NoNodes
        } else {
            Why::NodesNotAllowed
        }),
        PolicyCall::SchedSetaffinity => Some(if set.is_empty() {
            Why::NoCpus
        } else {
            Why::CpusNotAllowed
        }),
    }
}

/// Bytes of a base page, as on x86.
const PAGE: u64 = 4096;

fn range(start: u64, length: u64) -> Option<Why> {
    if !start.is_multiple_of(PAGE) {
        return Some(Why::Unaligned);
    }
    let pages = length.checked_next_multiple_of(PAGE);
    let end = pages.and_then(|length| start.checked_add(length));
    end.is_none().then_some(Why::Overflow)
}

/// Mode, its flags, and nodes (`sanitize_mpol_flags` and `mpol_new`).
fn mode(mode: u64, set: &[u16], allowed: &[NodeId]) -> Option<Why> {
    /// `MPOL_F_NUMA_BALANCING`, `MPOL_F_RELATIVE_NODES`, `MPOL_F_STATIC_NODES`
    const FLAGS: u64 = 0b111 << 13;
    const NUMA_BALANCING: u64 = 1 << 13;
    const RELATIVE: u64 = 1 << 14;
    const STATIC: u64 = 1 << 15;
    /// `MPOL_WEIGHTED_INTERLEAVE`, the last one; only kernels from 6.9 on have it.
    const LAST: u64 = 6;
    let (flags, mode) = (mode & FLAGS, mode & !FLAGS);
    if mode > LAST {
        return Some(Why::Mode);
    }
    if flags & (STATIC | RELATIVE) == STATIC | RELATIVE
        || flags & NUMA_BALANCING != 0 && !matches!(mode, 2 | 5)
    {
        return Some(Why::ModeFlags);
    }
    match mode {
        // MPOL_DEFAULT and MPOL_LOCAL; MPOL_PREFERRED may have none.
        0 | 4 if !set.is_empty() => Some(Why::NeedlessNodes),
        0 | 1 | 4 if set.is_empty() => (flags & (STATIC | RELATIVE) != 0).then_some(Why::ModeFlags),
        _ if set.is_empty() => Some(Why::NoNodes),
        // Relative nodes count within the cpuset.
        _ if flags & RELATIVE == 0 => {
            let named = |node: &u16| allowed.contains(&NodeId(*node));
            (!set.iter().any(named)).then_some(Why::NodesNotAllowed)
        }
        _ => None,
    }
}

/// The name of an error number that these calls give; the number itself for others.
#[must_use]
pub fn errno_name(errno: u32) -> String {
    let name = match errno {
        EPERM => "EPERM",
        ENOENT => "ENOENT",
        ESRCH => "ESRCH",
        4 => "EINTR",
        EIO => "EIO",
        7 => "E2BIG",
        ENOMEM => "ENOMEM",
        EACCES => "EACCES",
        EFAULT => "EFAULT",
        16 => "EBUSY",
        ENODEV => "ENODEV",
        EINVAL => "EINVAL",
        28 => "ENOSPC",
        38 => "ENOSYS",
        EOPNOTSUPP => "EOPNOTSUPP",
        other => return format!("error {other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [NodeId; 2] = [NodeId(0), NodeId(1)];

    fn mbind(args: [u64; 4], set: &[u16]) -> Option<Why> {
        why(PolicyCall::Mbind, EINVAL, &args, set, &BOTH)
    }

    #[test]
    fn what_is_wrong_with_an_mbind_is_told_from_its_arguments() {
        assert_eq!(mbind([0x1001, 4096, 2, 0], &[0]), Some(Why::Unaligned));
        assert_eq!(mbind([0x1000, 4096, 2, 64], &[0]), Some(Why::Flags));
        assert_eq!(mbind([0x1000, 4096, 77, 0], &[0]), Some(Why::Mode));
        assert_eq!(mbind([0x1000, 4096, 2, 0], &[]), Some(Why::NoNodes));
        assert_eq!(mbind([0x1000, 4096, 0, 0], &[1]), Some(Why::NeedlessNodes));
        let beyond = mbind([0x1000, 4096, 2, 0], &[7]);
        assert_eq!(beyond, Some(Why::NodesNotAllowed));
        let wrapped = mbind([u64::MAX - 4095, 8192, 2, 0], &[0]);
        assert_eq!(wrapped, Some(Why::Overflow));
        // Nothing is wrong that could be seen from here.
        assert_eq!(mbind([0x1000, 4096, 2, 0], &[0]), None);
    }

    #[test]
    fn a_wrong_alignment_is_told_before_nodes_that_are_not_there() {
        assert_eq!(mbind([0x1001, 4096, 2, 0], &[7]), Some(Why::Unaligned));
    }

    #[test]
    fn other_errors_have_one_cause_each() {
        let of = |call, errno| why(call, errno, &[0; 4], &[], &BOTH);
        assert_eq!(of(PolicyCall::Mbind, EFAULT), Some(Why::NotMapped));
        assert_eq!(of(PolicyCall::MovePages, EACCES), Some(Why::NodeForbidden));
        assert_eq!(of(PolicyCall::SchedSetaffinity, EINVAL), Some(Why::NoCpus));
        let home = PolicyCall::SetMempolicyHomeNode;
        assert_eq!(of(home, ENOENT), Some(Why::NoPolicy));
        assert_eq!(of(PolicyCall::Mbind, 38), None);
        assert_eq!(errno_name(38), "ENOSYS");
        assert_eq!(errno_name(200), "error 200");
    }
}
