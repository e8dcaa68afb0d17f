//! Refusals of bpf(2), by error number: each has a different cause and a different way out.

use std::io;

use nix::errno::Errno;

use super::{
    capabilities::Need,
    host::{Host, Lockdown},
};

/// A refusal of bpf(2).
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
    /// Classifies the error of a bpf(2) call.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        let kind = match error.raw_os_error() {
            Some(libc::EPERM) => DeniedKind::Permission,
            Some(libc::EACCES) => DeniedKind::Access,
            Some(libc::ENOMEM) => DeniedKind::Memory,
            Some(libc::ENOSYS) => DeniedKind::NoSyscall,
            _ => DeniedKind::Other,
        };
        // `EPERM: Operation not permitted`: people search for the name.
        let message = error.raw_os_error().map_or_else(
            || error.to_string(),
            |number| Errno::from_raw(number).to_string(),
        );
        Self { kind, message }
    }

    /// Returns the refusal of a kernel that lacks the feature.
    #[must_use]
    pub fn unsupported() -> Self {
        Self {
            kind: DeniedKind::Unsupported,
            message: "this kernel does not have it".into(),
        }
    }

    /// Returns the cause, as the middle of a sentence. `missing` are the capabilities that hooks
    /// need and this process lacks.
    #[must_use]
    pub fn explain(&self, missing: &[Need], host: &Host) -> String {
        let cause = match self.kind {
            DeniedKind::Permission if host.in_user_namespace == Some(true) => {
                "the capabilities of a user namespace do not count here".into()
            }
            DeniedKind::Permission if missing.is_empty() => {
                "the capabilities are there, so a seccomp filter or a policy of this host refuses \
                 it"
                .into()
            }
            DeniedKind::Permission => format!("this process lacks {}", names(missing)),
            DeniedKind::Access => {
                "a security module (SELinux, AppArmor, BPF LSM) or the verifier refuses it".into()
            }
            DeniedKind::Memory => {
                "the memory of this process's cgroup, or of the machine, is used up".into()
            }
            DeniedKind::NoSyscall => "this kernel or sandbox has no bpf(2)".into(),
            DeniedKind::Unsupported if host.lockdown == Some(Lockdown::Confidentiality) => {
                return "lockdown=confidentiality forbids it".into();
            }
            DeniedKind::Unsupported => return self.message.clone(),
            DeniedKind::Other => return format!("bpf(2) answered: {}", self.message),
        };
        format!("{cause} ({})", self.message)
    }

    /// Returns the way out, as a hint.
    #[must_use]
    pub fn way_out(&self, missing: &[Need], host: &Host) -> String {
        match self.kind {
            DeniedKind::Permission if host.in_user_namespace == Some(true) => {
                "run outside the user namespace: its capabilities do not extend to the kernel's \
                 hooks"
                    .into()
            }
            DeniedKind::Permission if missing.is_empty() => {
                "allow bpf(2) in the seccomp profile of the container or service, or run on the \
                 host itself"
                    .into()
            }
            DeniedKind::Permission => {
                "run as root, or grant the capabilities with the commands that `numatrace doctor` \
                 prints at its end"
                    .into()
            }
            DeniedKind::Access => {
                "find the denial in the audit log (`ausearch -m avc -ts recent`) \
                                   and allow it in the policy"
                    .into()
            }
            DeniedKind::Memory => "raise memory.max of the cgroup, or run outside it".into(),
            DeniedKind::NoSyscall => {
                "run on a kernel with CONFIG_BPF_SYSCALL=y, outside the sandbox".into()
            }
            DeniedKind::Unsupported | DeniedKind::Other
                if host.lockdown == Some(Lockdown::Confidentiality) =>
            {
                "boot without lockdown=confidentiality".into()
            }
            DeniedKind::Unsupported | DeniedKind::Other => {
                "run `numatrace doctor`: it lists what this machine allows".into()
            }
        }
    }
}

/// Joins names: `CAP_BPF and CAP_PERFMON`.
fn names(needs: &[Need]) -> String {
    let names: Vec<&str> = needs.iter().map(|need| need.name).collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}
