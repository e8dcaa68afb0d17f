//! Settings of the machine that explain refusals and limits, read from files under a root. A
//! setting that cannot be read is `None`, which differs from a setting that is off.

use std::{fs, path::Path};

/// Settings and surroundings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Kernel lockdown; `None` when securityfs is not mounted or the kernel has none.
    pub lockdown: Option<Lockdown>,
    /// `kernel.unprivileged_bpf_disabled`: 0 allowed, 1 off until reboot, 2 off.
    pub unprivileged_bpf_disabled: Option<u32>,
    /// The PID namespace of this process.
    pub pid_namespace: Option<PidNamespace>,
    /// This process is in a user namespace other than the initial one: its root has no
    /// rights outside.
    pub in_user_namespace: Option<bool>,
    /// `vm.numa_stat`; `None` on a kernel without NUMA.
    pub numa_stat: Option<bool>,
    /// tracefs is mounted and readable. No hook needs it.
    pub tracefs: bool,
    /// The lowest limit of this process's memory cgroup and its ancestors, in bytes; `None` = no
    /// limit, or unknown.
    pub memory_max: Option<u64>,
    /// Possible CPUs: each per-CPU map has a copy for each of them.
    pub possible_cpus: Option<usize>,
}

/// `/sys/kernel/security/lockdown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lockdown {
    /// Off.
    None,
    /// Kernel memory cannot be written; tracing works.
    Integrity,
    /// Kernel memory cannot be read either: `bpf_probe_read_kernel` is refused, typed loads still
    /// work.
    Confidentiality,
}

/// The PID namespace that numbers this process's PIDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PidNamespace {
    /// The initial one: PIDs are the kernel's.
    Initial,
    /// A container's: the kernel's PIDs differ from the ones seen here.
    Nested,
}

/// Link of the initial PID namespace, whose inode is fixed since 3.8 (`PROC_PID_INIT_INO`).
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";
/// `uid_map` of the initial user namespace: every id maps to itself.
const INITIAL_UID_MAP: [&str; 3] = ["0", "0", "4294967295"];

impl Host {
    /// Reads the settings under `root`.
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
            possible_cpus: read(root, "sys/devices/system/cpu/possible")
                .and_then(|list| list_len(&list)),
        }
    }
}

/// Returns the trimmed text of a file; `None` when it cannot be read.
pub(super) fn read(root: &Path, relative: &str) -> Option<String> {
    let text = fs::read_to_string(root.join(relative)).ok()?;
    Some(text.trim().to_owned())
}

/// Reads `none [integrity] confidentiality`: the word in brackets is in force.
fn lockdown(text: &str) -> Option<Lockdown> {
    let (_, rest) = text.split_once('[')?;
    match rest.split_once(']')?.0 {
        "none" => Some(Lockdown::None),
        "integrity" => Some(Lockdown::Integrity),
        "confidentiality" => Some(Lockdown::Confidentiality),
        _ => None,
    }
}

/// Limits of cgroup v1 beyond this are none: the kernel has a number for that, too.
const NO_LIMIT: u64 = 1 << 60;

/// Returns the lowest limit of this process's memory cgroup and its ancestors, of cgroup v1 where
/// that has the controller, of v2 otherwise.
fn memory_max(root: &Path) -> Option<u64> {
    let cgroups = read(root, "proc/self/cgroup")?;
    let of_v1 = cgroups.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(":/")?;
        let has_memory = controllers.split(',').any(|name| name == "memory");
        has_memory.then_some(path)
    });
    let of_v2 = || cgroups.lines().find_map(|line| line.strip_prefix("0::/"));
    let (folder, own, name) = match of_v1 {
        Some(own) => ("sys/fs/cgroup/memory", own, "memory.limit_in_bytes"),
        None => ("sys/fs/cgroup", of_v2()?, "memory.max"),
    };
    let limits = Path::new(own).ancestors().filter_map(|group| {
        // A path with `..` belongs to a cgroup outside this cgroup namespace.
        let inside = group
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        let file = Path::new(folder).join(group).join(name);
        if inside {
            read(root, file.to_str()?)?.parse().ok()
        } else {
            None
        }
    });
    limits.min().filter(|limit| *limit < NO_LIMIT)
}

/// Returns the length of a kernel list such as `0-3,8`.
fn list_len(list: &str) -> Option<usize> {
    list.split(',').try_fold(0_usize, |len, part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        len.checked_add(last.checked_sub(first)?.checked_add(1)?)
    })
}
