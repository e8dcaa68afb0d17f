//! A refusal of bpf(2), by error number: each has another cause and another way out.

use std::io;

use nix::errno::Errno;

use super::capabilities::Need;
use super::host::{Host, Lockdown};

/// What bpf(2) answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The class of refusal.
    pub kind: DeniedKind,
    /// The system's words for it.
    pub message: String,
}

/// Classes of refusal that have different ways out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeniedKind {
    /// EPERM: no capability, a seccomp filter, or a policy of the host.
    Permission,
    /// EACCES: a security module, or the verifier.
    Access,
    /// ENOMEM: the memory cgroup is full, or the machine is.
    Memory,
    /// ENOSYS: no bpf(2) in this kernel or sandbox.
    NoSyscall,
    /// The kernel does not know the program type or attach method.
    Unsupported,
    /// Anything else.
    Other,
}

impl Denied {
    /// From the error of a bpf(2) call.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        let kind = match error.raw_os_error() {
            Some(libc::EPERM) => DeniedKind::Permission,
            Some(libc::EACCES) => DeniedKind::Access,
            Some(libc::ENOMEM) => DeniedKind::Memory,
            Some(libc::ENOSYS) => DeniedKind::NoSyscall,
            _ => DeniedKind::Other,
        };
        // `EPERM: Operation not permitted`: the name is what one searches for.
        let message = error.raw_os_error().map_or_else(
            || error.to_string(),
            |number| Errno::from_raw(number).to_string(),
        );
        Self { kind, message }
    }

    /// The kernel does not have it.
    #[must_use]
    pub fn unsupported() -> Self {
        Self {
            kind: DeniedKind::Unsupported,
            message: "this kernel does not have it".into(),
        }
    }

    /// The cause in a sentence's middle; `missing` are the capabilities this process lacks of those the hooks need.
    #[must_use]
    pub fn explain(&self, missing: &[Need], host: &Host) -> String {
        let cause = match self.kind {
            DeniedKind::Permission if host.in_user_namespace == Some(true) => {
                "the capabilities of a user namespace do not count here".into()
            }
            DeniedKind::Permission if missing.is_empty() => {
                "the capabilities are there, so a seccomp filter or a policy of this host refuses it".into()
            }
            DeniedKind::Permission => format!("this process lacks {}", names(missing)),
            DeniedKind::Access => "a security module (SELinux, AppArmor, BPF LSM) or the verifier refuses it".into(),
            DeniedKind::Memory => "the memory limit of this process's cgroup, or the machine's memory, is used up".into(),
            DeniedKind::NoSyscall => "this kernel or sandbox has no bpf(2)".into(),
            DeniedKind::Unsupported if host.lockdown == Some(Lockdown::Confidentiality) => {
                return "lockdown=confidentiality forbids it".into();
            }
            DeniedKind::Unsupported => return self.message.clone(),
            DeniedKind::Other => return format!("bpf(2) answered: {}", self.message),
        };
        format!("{cause} ({})", self.message)
    }

    /// What to do about it.
    #[must_use]
    pub fn way_out(&self, missing: &[Need], host: &Host) -> String {
        match self.kind {
            DeniedKind::Permission if host.in_user_namespace == Some(true) => {
                "run outside the user namespace: capabilities inside one do not reach the kernel's hooks".into()
            }
            DeniedKind::Permission if missing.is_empty() => {
                "allow bpf(2) in the container's or service's seccomp profile, or run on the host itself".into()
            }
            DeniedKind::Permission => {
                "run as root, or grant the capabilities with the lines that `numatrace doctor` ends with".into()
            }
            DeniedKind::Access => "look for a denial in the audit log (`ausearch -m avc -ts recent`) and allow it there".into(),
            DeniedKind::Memory => "raise memory.max of the cgroup, or start it outside".into(),
            DeniedKind::NoSyscall => "run on a kernel with CONFIG_BPF_SYSCALL=y, outside the sandbox".into(),
            DeniedKind::Unsupported | DeniedKind::Other if host.lockdown == Some(Lockdown::Confidentiality) => {
                "boot without lockdown=confidentiality".into()
            }
            DeniedKind::Unsupported | DeniedKind::Other => "see `numatrace doctor` for what this machine allows".into(),
        }
    }
}

/// `CAP_BPF and CAP_PERFMON`.
fn names(needs: &[Need]) -> String {
    let names: Vec<&str> = needs.iter().map(|need| need.name).collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}
