//! What this machine and user allow, found out by trying: never by the uid, the kernel version or what a file claims.
//!
//! [`Preflight::of`] collects typed facts, [`Preflight::refusal`] says whether a session is pointless before it starts (exit
//! code 4). Facts that only cost detail never refuse: those hooks go to their fallback and say so.

mod capabilities;
mod denied;
mod host;
mod refusal;
#[cfg(test)]
mod tests;
mod trial;

use std::path::Path;

pub use capabilities::{Capabilities, NEEDS, Need};
pub use denied::{Denied, DeniedKind};
pub use host::{Host, Lockdown, PidNamespace};
pub use refusal::Refusal;
pub use trial::{Trial, trampolines};

use super::btf::{KernelBtf, VMLINUX};
use super::series::{OLDEST, Series};

/// Everything that decides whether and how well this machine can be traced.
#[derive(Debug)]
pub struct Preflight {
    /// `uname -r`; `None` when it cannot be read.
    pub release: Option<String>,
    /// The kernel's type information, or why there is none.
    pub btf: Result<KernelBtf, String>,
    /// What the kernel said when asked to load something.
    pub trial: Trial,
    /// The capabilities in effect; only used to name what is missing, never to decide.
    pub capabilities: Option<Capabilities>,
    /// Settings that explain refusals and limits.
    pub host: Host,
}

impl Preflight {
    /// Looks at the machine whose `/proc` and `/sys` lie under `root` ("/" on a live one) and tries bpf(2) on the running kernel.
    #[must_use]
    pub fn of(root: &Path) -> Self {
        Self {
            release: host::read(root, "proc/sys/kernel/osrelease"),
            btf: KernelBtf::from_path(&root.join(VMLINUX.trim_start_matches('/')))
                .map_err(|error| error.to_string()),
            trial: Trial::run(),
            capabilities: host::read(root, "proc/self/status")
                .and_then(|status| Capabilities::parse(&status)),
            host: Host::read(root),
        }
    }

    /// The running kernel's series.
    #[must_use]
    pub fn series(&self) -> Option<Series> {
        Series::of_release(self.release.as_deref()?)
    }

    /// Why no session is possible, the first reason in the order a person would put them right. `None` = go on and attach.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        if let (Some(series), Some(release)) = (self.series(), &self.release)
            && series < OLDEST
        {
            return Some(Refusal {
                what: "cannot trace this kernel".into(),
                why: format!("it is {release}, and the hooks need {OLDEST} or later"),
                way_out: format!("boot a kernel of series {OLDEST} or later"),
            });
        }
        if let Err(why) = &self.trial.maps {
            return Some(self.denied("cannot create eBPF maps", why));
        }
        if let Err(why) = &self.trial.programs {
            return Some(self.denied("cannot load eBPF programs", why));
        }
        if let Err(why) = &self.btf {
            return Some(Refusal {
                what: "cannot place any hook".into(),
                why: why.clone(),
                way_out:
                    "run on a kernel with BTF: `ls /sys/kernel/btf/vmlinux` shows whether it has it"
                        .into(),
            });
        }
        None
    }

    /// A refusal of bpf(2) itself, with the missing capability by name when that is the likely cause.
    fn denied(&self, what: &str, why: &Denied) -> Refusal {
        let missing = self
            .capabilities
            .map(Capabilities::missing_for_hooks)
            .unwrap_or_default();
        Refusal {
            what: what.into(),
            why: why.explain(&missing, &self.host),
            way_out: why.way_out(&missing, &self.host),
        }
    }
}
