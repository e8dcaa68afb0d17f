//! Facts of the preflight as sentences: the finding, its consequence, the remedy.

use crate::attach::btf::VMLINUX;
use crate::attach::kallsyms::SymbolGap;
use crate::attach::preflight::{
    Capabilities, Denied, DeniedKind, Lockdown, PidNamespace, Preflight,
};
use crate::attach::prototype::Difference;
use crate::attach::series::OLDEST;
use crate::model::doctor::{Check, CheckState};
use crate::model::number;

/// Facts that the caller finds by trying or searching.
pub struct Searched {
    /// Whether programs can be attached to functions.
    pub trampolines: Result<(), Denied>,
    /// Whether the address of the preempt count is known.
    pub preempt_count: Result<(), SymbolGap>,
    /// Hooked functions whose prototype differs from the one that the probes expect; `None` without
    /// BTF.
    pub differences: Option<Vec<Difference>>,
    /// Processes whose system calls a seccomp filter checks; `None` without `/proc`.
    pub filtered: Option<usize>,
    /// Remark on distances that are all equal.
    pub flat_distances: Option<String>,
    /// Number of nodes; `None` when they cannot be listed.
    pub nodes: Option<usize>,
    /// Sentences about `/sys` and `/proc` where they are not the kernel's own.
    pub view: Option<Vec<String>>,
}

/// Returns all checks; those that can refuse a session come first.
pub fn checks(found: &Preflight, searched: &Searched) -> Vec<Check> {
    let mut all = vec![kernel(found), type_information(found)];
    let deciding = [
        ("eBPF maps", &found.trial.maps),
        ("eBPF programs", &found.trial.programs),
    ];
    all.extend(deciding.map(|(name, answer)| {
        tried(
            found,
            name,
            answer,
            CheckState::Blocked,
            "no hook can be placed",
        )
    }));
    all.push(functions(found, searched));
    all.push(tried(
        found,
        "kernel memory reads",
        &found.trial.probe_read,
        CheckState::Limited,
        "interrupts cannot be distinguished from tasks, and programs that end at once have no path",
    ));
    all.push(interrupts(found, searched));
    all.push(shapes(searched));
    all.extend([
        lockdown(found),
        unprivileged(found),
        user_namespace(found),
        pid_namespace(found),
    ]);
    all.extend([
        nodes(searched),
        view(searched),
        numa_stat(found),
        tracefs(found),
        seccomp(searched),
        memory(found),
    ]);
    all
}

fn check(name: &str, state: CheckState, value: impl Into<String>) -> Check {
    Check {
        name: name.into(),
        state,
        value: value.into(),
        means: None,
        way_out: None,
    }
}

impl Check {
    fn means(mut self, means: impl Into<String>) -> Self {
        self.means = Some(means.into());
        self
    }

    fn way_out(mut self, way_out: impl Into<String>) -> Self {
        self.way_out = Some(way_out.into());
        self
    }
}

fn kernel(found: &Preflight) -> Check {
    let name = "kernel";
    match (&found.release, found.series()) {
        (Some(release), Some(series)) if series < OLDEST => {
            check(name, CheckState::Blocked, release.as_str())
                .means(format!("the hooks need {OLDEST} or later"))
                .way_out(format!("boot a kernel of series {OLDEST} or later"))
        }
        (Some(release), Some(_)) => check(name, CheckState::Ok, release.as_str()),
        (release, _) => check(
            name,
            CheckState::Unknown,
            release.as_deref().unwrap_or("/proc is not readable"),
        )
        .means("attaching the hooks shows whether they fit"),
    }
}

fn type_information(found: &Preflight) -> Check {
    match &found.btf {
        Ok(_) => check("type information", CheckState::Ok, VMLINUX),
        Err(why) => check("type information", CheckState::Blocked, why.as_str())
            .means("no hook can be placed")
            .way_out("run on a kernel built with CONFIG_DEBUG_INFO_BTF=y"),
    }
}

fn tried(
    found: &Preflight,
    name: &str,
    answer: &Result<(), Denied>,
    worst: CheckState,
    means: &str,
) -> Check {
    match answer {
        Ok(()) => check(name, CheckState::Ok, "allowed"),
        Err(denied) => {
            let missing = found
                .capabilities
                .map(Capabilities::missing_for_hooks)
                .unwrap_or_default();
            check(
                name,
                worst,
                format!("refused: {}", denied.explain(&missing, &found.host)),
            )
            .means(means)
            .way_out(denied.way_out(&missing, &found.host))
        }
    }
}

/// Checks fentry and fexit. Some hosts refuse only these, whatever capabilities the user has.
fn functions(found: &Preflight, searched: &Searched) -> Check {
    let check = tried(
        found,
        "programs at functions",
        &searched.trampolines,
        CheckState::Limited,
        "fentry and fexit hooks are reduced or not attached, see below",
    );
    let by_policy =
        matches!(&searched.trampolines, Err(denied) if denied.kind == DeniedKind::Permission);
    if by_policy && found.trial.programs.is_ok() {
        return check.way_out(
            "only the operator of this host can: its policy refuses these and allows others",
        );
    }
    check
}

/// Checks whether interrupts can be distinguished from tasks: that needs the address of the preempt
/// count, and permission to read it.
fn interrupts(found: &Preflight, searched: &Searched) -> Check {
    let name = "interrupts";
    let means = "what interrupts allocate is charged to the task they interrupt";
    match (&searched.preempt_count, &found.trial.probe_read) {
        (Ok(()), Ok(())) => check(name, CheckState::Ok, "distinguished from tasks"),
        (Ok(()), Err(_)) => check(
            name,
            CheckState::Limited,
            "not distinguished from tasks: kernel memory cannot be read",
        )
        .means(means),
        (Err(SymbolGap::Hidden), _) => {
            check(name, CheckState::Limited, SymbolGap::Hidden.to_string())
                .means(means)
                .way_out("give it CAP_SYSLOG")
        }
        (Err(gap), _) => check(name, CheckState::Limited, gap.to_string()).means(means),
    }
}

fn shapes(searched: &Searched) -> Check {
    let name = "hooked functions";
    match searched.differences.as_deref() {
        Some([]) => check(name, CheckState::Ok, "as the probes expect"),
        Some(differences) => {
            let lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
            check(name, CheckState::Limited, lines.join("; "))
                .means("a hook is not attached where arguments differ from those that it expects")
                .way_out("use a version of numatrace that knows this kernel")
        }
        None => check(
            name,
            CheckState::Unknown,
            "no type information to compare with",
        ),
    }
}

fn lockdown(found: &Preflight) -> Check {
    let name = "kernel lockdown";
    match found.host.lockdown {
        Some(Lockdown::None) => check(name, CheckState::Ok, "off"),
        Some(Lockdown::Integrity) => {
            check(name, CheckState::Ok, "integrity: tracing is not affected")
        }
        Some(Lockdown::Confidentiality) => check(name, CheckState::Limited, "confidentiality")
            .means(
                "kernel memory cannot be read through helpers; the hooks' own arguments still can",
            )
            .way_out("boot without lockdown=confidentiality"),
        None => check(
            name,
            CheckState::Unknown,
            "securityfs is not mounted, or the kernel has no lockdown",
        )
        .means("the checks above tried everything that it could forbid"),
    }
}

fn unprivileged(found: &Preflight) -> Check {
    let name = "unprivileged bpf(2)";
    match found.host.unprivileged_bpf_disabled {
        Some(0) => check(
            name,
            CheckState::Ok,
            "kernel.unprivileged_bpf_disabled = 0; tracing needs capabilities all the same",
        ),
        Some(value) => check(
            name,
            CheckState::Ok,
            format!("kernel.unprivileged_bpf_disabled = {value}, as usual"),
        ),
        None => check(
            name,
            CheckState::Unknown,
            "kernel.unprivileged_bpf_disabled cannot be read",
        ),
    }
}

fn user_namespace(found: &Preflight) -> Check {
    let name = "user namespace";
    match found.host.in_user_namespace {
        Some(false) => check(name, CheckState::Ok, "the machine's own"),
        Some(true) => check(name, CheckState::Limited, "a container's")
            .means("root and capabilities in it do not reach the kernel's hooks")
            .way_out("run it on the host, or in a container without user namespace"),
        None => check(
            name,
            CheckState::Unknown,
            "/proc/self/uid_map cannot be read",
        ),
    }
}

fn pid_namespace(found: &Preflight) -> Check {
    let name = "PID namespace";
    match found.host.pid_namespace {
        Some(PidNamespace::Initial) => check(name, CheckState::Ok, "the machine's own"),
        Some(PidNamespace::Nested) => check(name, CheckState::Limited, "a container's")
            .means(
                "-p and a launched command are refused, as its PIDs are not the kernel's; tracing \
                 everything works, with the machine's PIDs",
            )
            .way_out("run it with the host's PID namespace (--pid=host)"),
        None => check(
            name,
            CheckState::Unknown,
            "/proc/self/ns/pid cannot be read",
        ),
    }
}

/// Checks whether what the machine is read from is the kernel's own.
fn view(searched: &Searched) -> Check {
    let name = "/sys and /proc";
    match searched.view.as_deref() {
        Some([]) => check(name, CheckState::Ok, "the kernel's own"),
        Some(said) => check(name, CheckState::Limited, said.join("; "))
            .means("no count is lost or misplaced for it; what is not known is -")
            .way_out("run it outside of the container, or with the machine's /sys and /proc"),
        None => check(name, CheckState::Unknown, "nodes cannot be listed"),
    }
}

fn nodes(searched: &Searched) -> Check {
    let name = "NUMA nodes";
    match searched.nodes {
        Some(1) => check(name, CheckState::Limited, "1").means(
            "all memory is local: numa_miss, numa_foreign and other_node stay 0; everything else \
                 is measured",
        ),
        Some(nodes) => {
            let check = check(name, CheckState::Ok, nodes.to_string());
            match &searched.flat_distances {
                Some(flat) => check.means(flat.as_str()),
                None => check,
            }
        }
        None => check(
            name,
            CheckState::Unknown,
            "/sys/devices/system/node cannot be read",
        ),
    }
}

fn numa_stat(found: &Preflight) -> Check {
    let name = "vm.numa_stat";
    match found.host.numa_stat {
        Some(true) => check(name, CheckState::Ok, "1"),
        Some(false) => check(name, CheckState::Limited, "0")
            .means(
                "the kernel does not count, so the audit is unavailable; our own counts are not \
                 affected",
            )
            .way_out("sysctl vm.numa_stat=1 (numatrace never writes it)"),
        None => check(
            name,
            CheckState::Unknown,
            "absent: a kernel without NUMA, or /proc is not readable",
        )
        .means("the audit is unavailable"),
    }
}

fn tracefs(found: &Preflight) -> Check {
    let value = if found.host.tracefs {
        "mounted"
    } else {
        "not readable"
    };
    check(
        "tracefs",
        CheckState::Ok,
        format!("{value}; nothing needs it"),
    )
}

/// Says how many processes may be refused calls that nobody sees. That is usual, so it is no limit
/// of the machine.
fn seccomp(searched: &Searched) -> Check {
    let name = "seccomp filters";
    match searched.filtered {
        Some(0) => check(name, CheckState::Ok, "no process has one"),
        Some(count) => check(name, CheckState::Ok, number::plural(count, "process")).means(
            "calls that a filter refuses (mbind, set_mempolicy and move_pages in many containers) \
             never reach the functions of the hook policy_refused; grep Seccomp /proc/PID/status \
             shows 2 for a process with a filter",
        ),
        None => check(name, CheckState::Unknown, "/proc is not readable"),
    }
}

fn memory(found: &Preflight) -> Check {
    let name = "memory limit";
    match found.host.memory_max {
        Some(bytes) => check(
            name,
            CheckState::Ok,
            format!("{} MiB for this cgroup", bytes >> 20),
        )
        .means("maps are charged to it; RLIMIT_MEMLOCK plays no part since 5.11"),
        None => check(
            name,
            CheckState::Ok,
            "none; RLIMIT_MEMLOCK plays no part since 5.11",
        ),
    }
}
