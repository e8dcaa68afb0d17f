//! The hook table: what each stem hangs on, what stands in for it, and what is lost without it.
//!
//! The one place where hooks are listed. `Session` tries them in this order, `doctor` explains them, `docs/hooks.md` prints
//! them, and the reports name them.

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HookKind {
    /// At a function's entry, through a BPF trampoline.
    Fentry,
    /// At a function's return, likewise.
    Fexit,
    /// To a tracepoint with BTF-typed arguments.
    TpBtf,
}

impl HookKind {
    /// The word the kernel's documentation uses.
    pub const fn name(self) -> &'static str {
        match self {
            HookKind::Fentry => "fentry",
            HookKind::Fexit => "fexit",
            HookKind::TpBtf => "tp_btf",
        }
    }
}

/// One program and where it goes.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// Name of the program in the object.
    pub program: &'static str,
    /// How it is attached.
    pub kind: HookKind,
    /// Function or tracepoint names, newest kernels first; the first that the running kernel has is taken.
    pub targets: &'static [&'static str],
}

/// One hook of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Name in reports: the stem, or the stem and what the hook adds to it.
    pub hook: &'static str,
    /// What it measures.
    pub measures: &'static str,
    /// The probes that measure it exactly; all of them must attach.
    pub exact: &'static [Probe],
    /// What stands in when one of them does not.
    pub fallback: &'static [Probe],
    /// What is lost on the fallback. Empty when there is none.
    pub lost_on_fallback: &'static str,
    /// What is lost without either.
    pub lost: &'static str,
    /// Kernels it was written for, and where it differs.
    pub kernels: &'static str,
    /// A session is pointless without it.
    pub required: bool,
    /// Without its exact form our totals cannot be the kernel's.
    pub accounts: bool,
}

/// Allocations one by one: the hook everything else leans on.
pub const PAGE_ALLOC: &str = "page_alloc";
/// Names and scope.
pub const TASK_LIFE: &str = "task_life";
/// The instant of the kernel's own sums.
pub const NUMASTAT_FOLD: &str = "numastat_fold";

/// All hooks, in the order they are attached: names first, so that nobody is counted nameless.
pub const HOOKS: &[Row] = &[
    Row {
        hook: TASK_LIFE,
        measures: "names and children of processes, those that end during the session too",
        exact: &[
            tp("task_fork", &["sched_process_fork"]),
            tp("task_exec", &["sched_process_exec"]),
            tp("task_exit", &["sched_process_exit"]),
        ],
        fallback: &[],
        lost_on_fallback: "",
        lost: "processes that end during the session have no name, and children are not followed",
        kernels: "6.1 and later",
        required: false,
        accounts: false,
    },
    Row {
        hook: PAGE_ALLOC,
        measures: "page allocations by thread, node and preferred node",
        exact: &[Probe {
            program: "page_alloc_exact",
            kind: HookKind::Fexit,
            targets: &["get_page_from_freelist"],
        }],
        fallback: &[tp("page_alloc_fallback", &["mm_page_alloc"])],
        lost_on_fallback: "the preferred node is unknown, so numa_hit, numa_miss, numa_foreign and interleave_hit are not \
                           measured; bulk allocations (vmalloc, network page pools) are missing from local and other",
        lost: "page allocations are not measured",
        kernels: "6.1 and later",
        required: true,
        accounts: true,
    },
    Row {
        hook: NUMASTAT_FOLD,
        measures: "the instant at which the kernel sums its numastat counters",
        exact: &[Probe {
            program: "numastat_fold",
            kind: HookKind::Fentry,
            targets: &["fold_vm_numa_events"],
        }],
        fallback: &[],
        lost_on_fallback: "",
        lost: "totals and numastat are cut a few microseconds apart, so small residuals are expected",
        kernels: "6.1 and later",
        required: false,
        accounts: true,
    },
];

const fn tp(program: &'static str, targets: &'static [&'static str]) -> Probe {
    Probe {
        program,
        kind: HookKind::TpBtf,
        targets,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_says_what_is_lost() {
        for row in HOOKS {
            assert!(!row.lost.is_empty(), "{}", row.hook);
            assert_eq!(
                row.fallback.is_empty(),
                row.lost_on_fallback.is_empty(),
                "{}",
                row.hook
            );
        }
    }

    #[test]
    fn the_object_has_every_program_of_the_table() {
        let object = aya_obj_names();
        for probe in HOOKS
            .iter()
            .flat_map(|row| row.exact.iter().chain(row.fallback))
        {
            assert!(
                object.iter().any(|name| name == probe.program),
                "{}",
                probe.program
            );
        }
    }

    /// Symbol names of the embedded object: its string tables are plain text.
    fn aya_obj_names() -> Vec<String> {
        crate::attach::object::bytes()
            .split(|byte| *byte == 0)
            .filter_map(|part| std::str::from_utf8(part).ok())
            .map(str::to_owned)
            .collect()
    }
}
