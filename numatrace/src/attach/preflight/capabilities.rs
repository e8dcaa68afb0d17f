//! The capabilities that hooks and details need, and which of them this process has in effect.
//!
//! Only used to name the missing ones after the kernel has refused: neither a capability (seccomp,
//! user namespaces) nor its absence (BPF tokens) proves anything.

/// One capability and its purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// `CAP_BPF`.
    pub name: &'static str,
    /// Its bit in the kernel's sets (`include/uapi/linux/capability.h`).
    pub bit: u8,
    /// The use that reports name.
    pub purpose: &'static str,
    /// No hook works without it or CAP_SYS_ADMIN.
    pub for_hooks: bool,
    /// `CAP_SYS_ADMIN` includes it.
    pub in_sys_admin: bool,
}

/// All useful capabilities, those that hooks need first.
pub const NEEDS: &[Need] = &[
    Need {
        name: "CAP_BPF",
        bit: 39,
        purpose: "eBPF maps and programs",
        for_hooks: true,
        in_sys_admin: true,
    },
    Need {
        name: "CAP_PERFMON",
        bit: 38,
        purpose: "programs on kernel functions and tracepoints",
        for_hooks: true,
        in_sys_admin: true,
    },
    Need {
        name: "CAP_SYS_PTRACE",
        bit: 19,
        purpose: "mappings and files of other users' processes",
        for_hooks: false,
        in_sys_admin: false,
    },
    Need {
        name: "CAP_SYSLOG",
        bit: 34,
        purpose: "kernel symbols: names in kernel stacks, interrupts separate from tasks",
        for_hooks: false,
        in_sys_admin: false,
    },
    Need {
        name: "CAP_SYS_ADMIN",
        bit: 21,
        purpose: "BPF run-time statistics: the cost of tracing",
        for_hooks: false,
        in_sys_admin: true,
    },
];

const CAP_SYS_ADMIN: u8 = 21;

/// The effective set of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities(u64);

impl Capabilities {
    /// Reads the `CapEff` line of `/proc/PID/status`.
    #[must_use]
    pub fn parse(status: &str) -> Option<Self> {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("CapEff:"))?;
        u64::from_str_radix(line.trim(), 16).ok().map(Self)
    }

    /// Returns whether a capability is in effect, by itself or through CAP_SYS_ADMIN where the
    /// kernel accepts that instead.
    #[must_use]
    pub fn has(self, need: &Need) -> bool {
        let set = |bit: u8| self.0 >> bit & 1 == 1;
        set(need.bit) || need.in_sys_admin && set(CAP_SYS_ADMIN)
    }

    /// Returns the missing capabilities among those that hooks need.
    #[must_use]
    pub fn missing_for_hooks(self) -> Vec<Need> {
        NEEDS
            .iter()
            .filter(|need| need.for_hooks && !self.has(need))
            .copied()
            .collect()
    }
}
