//! Does this kernel preempt BPF programs? Then the hot ones get a twin.
//!
//! `CONFIG_PREEMPT_DYNAMIC` kernels choose at boot; debugfs tells what they chose (kernel/sched/debug.c, `sched_dynamic_show`), the version
//! string of uname(2) only that they could. Tracepoints run their programs with preemption off up to 6.18 and with it on from 7.0.

use std::{fs, path::Path};

use super::{catalog::HookKind, series::Series};

/// What of our programs this kernel preempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preemption {
    /// It preempts the kernel at all.
    kernel: bool,
    /// Tracepoints too.
    tracepoints: bool,
}

/// From here on programs of tracepoints are preemptible.
const PREEMPTIBLE_TRACEPOINTS: Series = Series { major: 7, minor: 0 };

impl Preemption {
    /// That of the running kernel, read below `root`.
    pub fn of(root: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(root.join(path)).ok();
        Self::told(
            read("sys/kernel/debug/sched/preempt").as_deref(),
            &read("proc/sys/kernel/version").unwrap_or_default(),
            read("proc/sys/kernel/osrelease")
                .as_deref()
                .and_then(Series::of_release),
        )
    }

    /// From debugfs' line such as `none voluntary (full) lazy`, the version string and the release. What is not known is taken for yes: a
    /// needless twin costs a few nanoseconds, a missing one counts.
    fn told(chosen: Option<&str>, version: &str, release: Option<Series>) -> Self {
        let kernel = match chosen.and_then(in_parentheses) {
            Some(mode) => !matches!(mode, "none" | "voluntary"),
            None => version.contains("PREEMPT"),
        };
        Self {
            kernel,
            tracepoints: kernel && release.is_none_or(|release| release >= PREEMPTIBLE_TRACEPOINTS),
        }
    }

    /// Can a program of this kind be preempted?
    pub fn preempts(self, kind: HookKind) -> bool {
        match kind {
            HookKind::Fentry | HookKind::Fexit => self.kernel,
            HookKind::TpBtf => self.tracepoints,
            HookKind::OnDemand => false,
        }
    }
}

fn in_parentheses(line: &str) -> Option<&str> {
    Some(line.split_once('(')?.1.split_once(')')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn series(major: u32, minor: u32) -> Option<Series> {
        Some(Series { major, minor })
    }

    #[test]
    fn what_was_chosen_at_boot_decides() {
        let version = "#1 SMP PREEMPT_DYNAMIC Debian 6.12.117-1";
        let voluntary = Preemption::told(Some("none (voluntary) full"), version, series(6, 12));
        assert!(!voluntary.preempts(HookKind::Fexit));
        let full = Preemption::told(Some("none voluntary (full) lazy\n"), version, series(6, 18));
        assert!(full.preempts(HookKind::Fexit) && !full.preempts(HookKind::TpBtf));
        let lazy = Preemption::told(Some("full (lazy)"), version, series(7, 3));
        assert!(lazy.preempts(HookKind::Fexit) && lazy.preempts(HookKind::TpBtf));
    }

    #[test]
    fn without_debugfs_what_could_be_is_taken_to_be() {
        assert!(
            Preemption::told(None, "#1 SMP PREEMPT_DYNAMIC", series(6, 1))
                .preempts(HookKind::Fexit)
        );
        assert!(Preemption::told(None, "#1 SMP PREEMPT_RT", None).preempts(HookKind::TpBtf));
        assert!(!Preemption::told(None, "#1 SMP Debian", series(6, 1)).preempts(HookKind::Fexit));
        assert!(
            Preemption::told(Some("garbage"), "#1 SMP PREEMPT_LAZY", series(7, 2))
                .preempts(HookKind::Fexit)
        );
    }
}
