//! Finds out by trying what this machine allows this user: uid, kernel version and files may all
//! mislead.
//!
//! [`Preflight::of`] collects typed facts; [`Preflight::refusal`] returns why a session is
//! pointless before it starts (exit code 4). Facts that only cost detail never refuse a session:
//! their hooks use the fallback and the report says so.

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

use crate::attach::{
    btf::{KernelBtf, VMLINUX},
    series::{OLDEST, Series},
};

/// Everything that decides whether and how well this machine can be traced.
#[derive(Debug)]
pub struct Preflight {
    /// `uname -r`; `None` when it cannot be read.
    pub release: Option<String>,
    /// The kernel's type information, or why there is none.
    pub btf: Result<KernelBtf, String>,
    /// The kernel's answers to test loads.
    pub trial: Trial,
    /// The capabilities in effect; only used to name missing ones, never to decide.
    pub capabilities: Option<Capabilities>,
    /// Settings that explain refusals and limits.
    pub host: Host,
}

impl Preflight {
    /// Reads the machine's `/proc` and `/sys` under `root` ("/" on a live one) and tries bpf(2) on
    /// the running kernel.
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

    /// Returns the running kernel's series.
    #[must_use]
    pub fn series(&self) -> Option<Series> {
        Series::of_release(self.release.as_deref()?)
    }

    /// Returns why no session is possible: the first reason in the order in which a person would
    /// fix them. `None` = a session can attach.
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
                way_out: "run on a kernel with BTF: one that has the file /sys/kernel/btf/vmlinux"
                    .into(),
            });
        }
        None
    }

    /// Returns the refusal of bpf(2) itself, with the missing capabilities by name when they are
    /// the likely cause.
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
