//! Finds out whether this kernel preempts BPF programs. If it does, the hot programs get a twin.
//!
//! `CONFIG_PREEMPT_DYNAMIC` kernels choose their mode at boot. debugfs shows the choice
//! (kernel/sched/debug.c, `sched_dynamic_show`); the version string of uname(2) only shows that
//! there was one. Programs at functions are preempted in the modes `full` and `lazy`. Debian's
//! kernels use `lazy` from 6.18 on. Programs at tracepoints run with preemption off up to 6.18 and
//! with preemption on from 7.0.

use std::{fs, path::Path};

use super::{catalog::HookKind, series::Series};

/// Which kinds of programs this kernel preempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preemption {
    /// Programs at functions: the kernel preempts kernel code at all.
    functions: bool,
    /// Programs at tracepoints.
    tracepoints: bool,
}

/// The first series that runs programs at tracepoints with preemption on.
const PREEMPTIBLE_TRACEPOINTS: Series = Series { major: 7, minor: 0 };

impl Preemption {
    /// Reads the mode of the running kernel below `root`.
    pub fn of(root: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(root.join(path)).ok();
        Self::from_texts(
            read("sys/kernel/debug/sched/preempt").as_deref(),
            &read("proc/sys/kernel/version").unwrap_or_default(),
            read("proc/sys/kernel/osrelease")
                .as_deref()
                .and_then(Series::of_release),
        )
    }

    /// Returns the kinds by debugfs' line such as `none voluntary (full) lazy`, the version string
    /// and the release. An unknown mode counts as preempting: a needless twin costs a few
    /// nanoseconds, a missing one costs events.
    fn from_texts(chosen: Option<&str>, version: &str, release: Option<Series>) -> Self {
        let functions = match chosen.and_then(in_parentheses) {
            Some(mode) => !matches!(mode, "none" | "voluntary"),
            None => version.contains("PREEMPT"),
        };
        Self {
            functions,
            tracepoints: functions
                && release.is_none_or(|release| release >= PREEMPTIBLE_TRACEPOINTS),
        }
    }

    /// Returns whether a program of this kind can be preempted.
    pub fn preempts(self, kind: HookKind) -> bool {
        match kind {
            HookKind::Fentry | HookKind::Fexit => self.functions,
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
    fn the_mode_chosen_at_boot_decides() {
        let version = "#1 SMP PREEMPT_DYNAMIC Debian 6.12.117-1";
        let voluntary =
            Preemption::from_texts(Some("none (voluntary) full"), version, series(6, 12));
        assert!(!voluntary.preempts(HookKind::Fexit));
        let full =
            Preemption::from_texts(Some("none voluntary (full) lazy\n"), version, series(6, 18));
        assert!(full.preempts(HookKind::Fexit) && !full.preempts(HookKind::TpBtf));
        let lazy = Preemption::from_texts(Some("full (lazy)"), version, series(7, 3));
        assert!(lazy.preempts(HookKind::Fexit) && lazy.preempts(HookKind::TpBtf));
    }

    #[test]
    fn without_debugfs_a_kernel_that_can_preempt_counts_as_preempting() {
        assert!(
            Preemption::from_texts(None, "#1 SMP PREEMPT_DYNAMIC", series(6, 1))
                .preempts(HookKind::Fexit)
        );
        assert!(Preemption::from_texts(None, "#1 SMP PREEMPT_RT", None).preempts(HookKind::TpBtf));
        assert!(
            !Preemption::from_texts(None, "#1 SMP Debian", series(6, 1)).preempts(HookKind::Fexit)
        );
        assert!(
            Preemption::from_texts(Some("garbage"), "#1 SMP PREEMPT_LAZY", series(7, 2))
                .preempts(HookKind::Fexit)
        );
    }
}
