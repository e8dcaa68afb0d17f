//! Settings of the machine that explain refusals and limits. All of it read from files under a root; what cannot be read is
//! `None`, which is not the same as a setting being off.

use std::fs;
use std::path::Path;

/// Settings and surroundings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Kernel lockdown; `None` when securityfs is not mounted or the kernel has none.
    pub lockdown: Option<Lockdown>,
    /// `kernel.unprivileged_bpf_disabled`: 0 allowed, 1 off until reboot, 2 off.
    pub unprivileged_bpf_disabled: Option<u32>,
    /// Which PID namespace this process is in.
    pub pid_namespace: Option<PidNamespace>,
    /// In a user namespace other than the first: root there is not root here.
    pub in_user_namespace: Option<bool>,
    /// `vm.numa_stat`; `None` on a kernel without NUMA.
    pub numa_stat: Option<bool>,
    /// tracefs is mounted and can be read. Nothing needs it.
    pub tracefs: bool,
    /// Lowest `memory.max` of this process's cgroup and those above, in bytes; `None` = no limit, or not known.
    pub memory_max: Option<u64>,
    /// Online nodes; `None` without `/sys`.
    pub nodes: Option<usize>,
    /// Possible CPUs, the number of copies of each per-CPU map.
    pub possible_cpus: Option<usize>,
}

/// `/sys/kernel/security/lockdown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lockdown {
    /// Off.
    None,
    /// Kernel memory cannot be written; tracing works.
    Integrity,
    /// Nor read: `bpf_probe_read_kernel` is refused, typed loads still work.
    Confidentiality,
}

/// Where this process's PIDs come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PidNamespace {
    /// The machine's own.
    Initial,
    /// A container's: the kernel's PIDs are not the ones seen here.
    Nested,
}

/// Inode of the first PID namespace, fixed since 3.8 (`PROC_PID_INIT_INO`).
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";
/// `uid_map` of the first user namespace: everyone to themselves.
const INITIAL_UID_MAP: [&str; 3] = ["0", "0", "4294967295"];

impl Host {
    /// Reads what is there under `root`.
    #[must_use]
    pub fn read(root: &Path) -> Self {
        let number = |relative| read(root, relative)?.parse().ok();
        Self {
            lockdown: read(root, "sys/kernel/security/lockdown")
                .as_deref()
                .and_then(lockdown),
            unprivileged_bpf_disabled: number("proc/sys/kernel/unprivileged_bpf_disabled"),
            pid_namespace: fs::read_link(root.join("proc/self/ns/pid"))
                .ok()
                .map(|link| {
                    let initial = link.as_os_str() == INITIAL_PID_NAMESPACE;
                    if initial {
                        PidNamespace::Initial
                    } else {
                        PidNamespace::Nested
                    }
                }),
            in_user_namespace: read(root, "proc/self/uid_map")
                .map(|map| !map.split_whitespace().eq(INITIAL_UID_MAP)),
            numa_stat: number("proc/sys/vm/numa_stat").map(|value| value != 0),
            tracefs: root.join("sys/kernel/tracing/events").is_dir()
                || root.join("sys/kernel/debug/tracing/events").is_dir(),
            memory_max: memory_max(root),
            nodes: read(root, "sys/devices/system/node/online").and_then(|list| list_len(&list)),
            possible_cpus: read(root, "sys/devices/system/cpu/possible")
                .and_then(|list| list_len(&list)),
        }
    }
}

/// The trimmed text of a file; `None` when it cannot be read.
pub(super) fn read(root: &Path, relative: &str) -> Option<String> {
    let text = fs::read_to_string(root.join(relative)).ok()?;
    Some(text.trim().to_owned())
}

/// `none [integrity] confidentiality`: the one in brackets is in force.
fn lockdown(text: &str) -> Option<Lockdown> {
    let (_, rest) = text.split_once('[')?;
    match rest.split_once(']')?.0 {
        "none" => Some(Lockdown::None),
        "integrity" => Some(Lockdown::Integrity),
        "confidentiality" => Some(Lockdown::Confidentiality),
        _ => None,
    }
}

/// The tightest limit from this process's cgroup (v2) up to the root.
fn memory_max(root: &Path) -> Option<u64> {
    let cgroups = read(root, "proc/self/cgroup")?;
    let own = cgroups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let limits = Path::new(own).ancestors().filter_map(|group| {
        // A name that climbs out of the hierarchy belongs to another cgroup namespace.
        let inside = group
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        let file = Path::new("sys/fs/cgroup").join(group).join("memory.max");
        if inside {
            read(root, file.to_str()?)?.parse().ok()
        } else {
            None
        }
    });
    limits.min()
}

/// Length of a kernel list such as `0-3,8`.
fn list_len(list: &str) -> Option<usize> {
    list.split(',').try_fold(0_usize, |len, part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        len.checked_add(last.checked_sub(first)?.checked_add(1)?)
    })
}
