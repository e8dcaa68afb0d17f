//! The hook table: what each stem hangs on, what stands in for it, and what is lost without it.
//!
//! The one place where hooks are listed. `Session` tries them in this order, `doctor` explains them, `docs/hooks.md` prints
//! them, and the reports name them.

use super::price::{Cost, Price};

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HookKind {
    /// At a function's entry, through a BPF trampoline.
    Fentry,
    /// At a function's return, likewise.
    Fexit,
    /// To a tracepoint with BTF-typed arguments.
    TpBtf,
    /// To nothing: we have the kernel run it on a CPU (`BPF_PROG_TEST_RUN` of a raw tracepoint program).
    OnDemand,
}

impl HookKind {
    /// The word the kernel's documentation uses.
    pub const fn name(self) -> &'static str {
        match self {
            HookKind::Fentry => "fentry",
            HookKind::Fexit => "fexit",
            HookKind::TpBtf => "tp_btf",
            HookKind::OnDemand => "raw_tp",
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
    /// Its twin in the object: a copy that does the work for events the kernel skips in the first, attached where it preempts programs.
    pub twin: Option<&'static str>,
    /// A program of another row at the same place that does its work by the way: where that one is attached, this one is not.
    pub rides_on: Option<&'static str>,
}

impl Probe {
    /// The same probe, not needed where `rides_on` is attached.
    const fn unless(self, rides_on: &'static str) -> Self {
        Probe {
            rides_on: Some(rides_on),
            ..self
        }
    }

    /// The same probe with a twin.
    const fn and(self, twin: &'static str) -> Self {
        Probe {
            twin: Some(twin),
            ..self
        }
    }
}

/// One hook of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Name in reports: the stem, or the stem and what the hook adds to it.
    pub hook: &'static str,
    /// What it measures.
    pub measures: &'static str,
    /// Sets of probes that measure it exactly, for different kernels: the first set of which all attach is taken.
    pub exact: &'static [&'static [Probe]],
    /// What stands in when one of them does not.
    pub fallback: &'static [Probe],
    /// What is lost on the fallback. Empty when there is none.
    pub lost_on_fallback: &'static str,
    /// What is lost without either.
    pub lost: &'static str,
    /// Kernels it was written for, and where it differs.
    pub kernels: &'static str,
    /// A session that wants it is pointless without it.
    pub required: bool,
    /// Without its exact form our totals cannot be the kernel's.
    pub accounts: bool,
    /// It is in every session, whatever was asked for.
    pub always: bool,
    /// Its programs leave something behind that a switch of tasks must take along: see [`PARKING`].
    pub parks: bool,
    /// Hooks it cannot do without.
    pub needs: &'static [&'static str],
    /// What it costs.
    pub cost: Cost,
}

/// Allocations one by one: the hook everything else leans on.
pub const PAGE_ALLOC: &str = "page_alloc";
/// The program that stands in for its exact one, and counts first touches by the way where those are on their fallback too.
pub const ALLOC_FALLBACK: &str = "page_alloc_fallback";
/// Names and scope.
pub const TASK_LIFE: &str = "task_life";
/// Allocations many at a time.
pub const ALLOC_BULK: &str = "page_alloc_bulk";
/// Policies behind allocations.
pub const ALLOC_POLICY: &str = "page_alloc_policy";
/// User pages made by faults.
pub const PAGE_FAULT: &str = "page_fault";
/// Filling of the page cache.
pub const PAGE_CACHE: &str = "page_cache";
/// First touches from the hugetlb pool.
pub const HUGETLB_FAULT: &str = "page_fault_hugetlb";
/// Sampled accesses of the NUMA balancer.
pub const HINT_FAULT: &str = "hint_fault";
/// What NUMA balancing costs.
pub const BALANCER: &str = "balancer";
/// What it leaves alone.
pub const BALANCER_SKIP: &str = "balancer_skip";
/// Pages moved between nodes.
pub const PAGE_MIGRATION: &str = "page_migration";
/// Tasks that change their CPU.
pub const TASK_MOVE: &str = "task_move";
/// Threads that are bound.
pub const TASK_BIND: &str = "task_bind";
/// CPU time per node.
pub const TASK_RUN: &str = "task_run";
/// Program of [`TASK_RUN`] that we have run on each CPU.
pub const TASK_RUN_NOW: &str = "task_run_now";
/// The instant of the kernel's own sums.
pub const NUMASTAT_FOLD: &str = "numastat_fold";

/// All hooks, in the order they are attached: names first, so that nobody is counted nameless.
pub const HOOKS: &[Row] = &[
    Row {
        hook: TASK_LIFE,
        measures: "names and children of processes, those that end during the session too",
        exact: &[&[
            tp("task_fork", &["sched_process_fork"]),
            tp("task_exec", &["sched_process_exec"]),
            tp("task_exit", &["sched_process_exit"]),
        ]],
        fallback: &[],
        lost_on_fallback: "",
        lost: "processes that end during the session have no name, and children are not followed",
        kernels: "6.1 and later",
        required: false,
        accounts: false,
        always: true,
        parks: false,
        needs: &[],
        cost: Cost {
            fires: "at each fork, exec and exit",
            exact: Price::Ns(700),
            fallback: Price::None,
        },
    },
    Row {
        hook: TASK_RUN,
        measures: "CPU time of threads by node",
        exact: &[&[
            tp("task_run", &["sched_switch"]),
            Probe {
                program: TASK_RUN_NOW,
                kind: HookKind::OnDemand,
                targets: &["on each CPU"],
                twin: None,
                rides_on: None,
            },
        ]],
        fallback: &[tp("task_run", &["sched_switch"])],
        lost_on_fallback: "a task's time before its first switch and after its last one in the session is missing",
        lost: "run time by node is not measured",
        kernels: "6.1 and later",
        required: false,
        accounts: false,
        always: false,
        parks: false,
        needs: &[],
        cost: Cost {
            fires: "at each switch of tasks",
            exact: Price::Ns(260),
            fallback: Price::Ns(260),
        },
    },
    Row {
        hook: TASK_MOVE,
        measures: "changes of CPU by thread, nodes and reason; how long a task stayed before it went back",
        exact: &[&[
            tp("task_move", &["sched_migrate_task"]),
            tp("task_placed", &["sched_wakeup_new"]),
            tp("task_move_numa", &["sched_move_numa"]),
            tp("task_swap_numa", &["sched_swap_numa"]),
            tp("task_stick_numa", &["sched_stick_numa"]),
            tp("cpu_step", &["cpuhp_enter"]),
            fentry("task_exec_enter", &["sched_exec"]),
            fexit("task_exec_leave", &["sched_exec"]),
            fentry("task_affinity_enter", &["__sched_setaffinity"]),
            fexit("task_affinity_leave", &["__sched_setaffinity"]),
            fentry("task_mask_change", &["__set_cpus_allowed_ptr_locked"]),
        ]],
        fallback: &[
            tp("task_move", &["sched_migrate_task"]),
            tp("task_placed", &["sched_wakeup_new"]),
            tp("task_move_numa", &["sched_move_numa"]),
            tp("task_swap_numa", &["sched_swap_numa"]),
            tp("task_stick_numa", &["sched_stick_numa"]),
            tp("cpu_step", &["cpuhp_enter"]),
        ],
        lost_on_fallback: "two reasons merge into others: affinity counts as cpuset, and exec as active_balance or wakeup; \
                           moves and their nodes are complete",
        lost: "task moves are not measured",
        kernels: "6.1 and later",
        required: false,
        accounts: false,
        always: false,
        parks: false,
        needs: &[],
        cost: Cost {
            fires: "when a task changes its CPU, its mask or its program",
            exact: Price::Unmeasured("as the fallback, and more where a pin or an exec passes"),
            fallback: Price::Ns(330),
        },
    },
    Row {
        hook: TASK_BIND,
        measures: "when threads were bound: CPUs by sched_setaffinity(2) and cpusets, memory by set_mempolicy(2), mbind(2) and cpusets",
        exact: &[
            &[
                fexit("task_bind_affinity", &["__sched_setaffinity"]),
                fexit("task_bind_policy", &["do_set_mempolicy"]),
                fexit("task_bind_range", &["do_mbind"]),
                fexit("task_bind_cpuset_cpus", &["set_cpus_allowed_ptr"]),
                fexit("task_bind_cpuset_mems", &["mpol_rebind_task"]),
            ],
            &[
                fexit("task_bind_affinity", &["__sched_setaffinity"]),
                fexit("task_bind_policy", &["do_set_mempolicy"]),
            ],
            &[fexit("task_bind_affinity", &["__sched_setaffinity"])],
        ],
        fallback: &[],
        lost_on_fallback: "",
        lost: "memory that was touched before its thread was bound is not told from other first touches",
        kernels: "6.1 and later",
        required: false,
        accounts: false,
        always: false,
        parks: false,
        needs: &[],
        cost: Cost {
            fires: "when a thread is bound by one of these",
            exact: Price::Unmeasured(""),
            fallback: Price::None,
        },
    },
    Row {
        hook: PAGE_ALLOC,
        measures: "page allocations by thread, node and preferred node",
        exact: &[&[
            fexit("page_alloc_exact", &["get_page_from_freelist"]).and("page_alloc_exact_second")
        ]],
        fallback: &[tp(ALLOC_FALLBACK, &["mm_page_alloc"]).and("page_alloc_fallback_second")],
        lost_on_fallback: "the preferred node is unknown, so numa_hit, numa_miss, numa_foreign and interleave_hit are not \
                           measured; bulk allocations (vmalloc, network page pools) are missing from local and other",
        lost: "page allocations are not measured",
        kernels: "6.1 and later",
        required: true,
        accounts: true,
        always: false,
        parks: true,
        needs: &[],
        cost: Cost {
            fires: "at each page allocation",
            exact: Price::Unmeasured("1.5 times the instructions of the fallback"),
            fallback: Price::Ns(100),
        },
    },
    Row {
        hook: PAGE_FAULT,
        measures: "first touch: which thread made a user page, on which node, in what kind of mapping",
        exact: &[&[
            fentry("page_fault_enter", &["handle_mm_fault"]).and("page_fault_enter_second"),
            fexit("page_fault_leave", &["handle_mm_fault"]).and("page_fault_leave_second"),
            fentry("page_fault_cow", &["do_wp_page"]).and("page_fault_cow_second"),
        ]],
        fallback: &[
            tp("page_fault_address", &["page_fault_user"]),
            tp("page_fault_fallback", &["mm_page_alloc"])
                .and("page_fault_fallback_second")
                .unless(ALLOC_FALLBACK),
        ],
        lost_on_fallback: "kinds of mappings and copies are not known, and pages that the kernel touches for a process \
                           (read(2) into fresh memory) are missing",
        lost: "first touches are not measured",
        kernels: "6.1 and later",
        required: false,
        accounts: false,
        always: false,
        parks: true,
        needs: &[PAGE_ALLOC],
        cost: Cost {
            fires: "at each page fault",
            exact: Price::Unmeasured("300 instructions for its two ends without what they do"),
            fallback: Price::Ns(62),
        },
    },
    Row {
        hook: PAGE_CACHE,
        measures: "page-cache pages as they come in: who read or wrote which file, and the node its pages went to",
        exact: &[&[tp("page_cache_add", &["mm_filemap_add_to_page_cache"])]],
        fallback: &[],
        lost_on_fallback: "",
        lost: "who filled the page cache of which file is not measured",
        kernels: "6.1 and later",
        required: false,
        accounts: false,
        always: false,
        parks: false,
        needs: &[],
        cost: Cost {
            fires: "when a page or folio of a file comes into the page cache",
            exact: Price::Unmeasured(""),
            fallback: Price::None,
        },
    },
    Row {
        hook: HUGETLB_FAULT,
        measures: "first touch of hugetlb mappings, whose pages come from a pool",
        exact: &[&[fexit(
            "page_fault_hugetlb",
            &["alloc_hugetlb_folio", "alloc_huge_page"],
        )
        .and("page_fault_hugetlb_second")]],
        fallback: &[],
        lost_on_fallback: "",
        lost: "first touches of hugetlb mappings are missing",
        kernels: "6.1 and later; renamed in 6.3",
        required: false,
        accounts: false,
        always: false,
        parks: true,
        needs: &[PAGE_FAULT],
        cost: Cost {
            fires: "when a page leaves the hugetlb pool",
            exact: Price::Unmeasured(""),
            fallback: Price::None,
        },
    },
    Row {
        hook: ALLOC_BULK,
        measures: "allocations made many at a time: vmalloc, network page pools, pipes",
        exact: &[&[
            fentry(
                "alloc_bulk_enter",
                &["alloc_pages_bulk_noprof", "__alloc_pages_bulk"],
            ),
            fexit(
                "alloc_bulk",
                &["alloc_pages_bulk_noprof", "__alloc_pages_bulk"],
            )
            .and("alloc_bulk_second"),
        ]],
        fallback: &[],
        lost_on_fallback: "",
        lost: "bulk allocations are missing from numa_hit, local and other, system-wide a few percent",
        kernels: "6.1 and later; renamed in 6.10, one argument less from 6.14 on",
        required: false,
        accounts: true,
        always: false,
        parks: true,
        needs: &[PAGE_ALLOC],
        cost: Cost {
            fires: "at each bulk allocation",
            exact: Price::Unmeasured(""),
            fallback: Price::None,
        },
    },
    Row {
        hook: ALLOC_POLICY,
        measures: "interleave_hit, and which remote allocations a memory policy asked for",
        exact: &[
            &[fexit(
                "alloc_policy",
                &["alloc_pages_mpol", "alloc_pages_mpol_noprof"],
            )
            .and("alloc_policy_second")],
            &[
                fexit("alloc_interleave", &["alloc_page_interleave"]),
                fexit("alloc_policy_task", &["alloc_pages"]),
                fexit("alloc_policy_vma", &["vma_alloc_folio"]),
            ],
        ],
        fallback: &[],
        lost_on_fallback: "",
        lost: "interleave_hit is not measured, and remote allocations by policy have no cause",
        kernels: "6.1 and later; one function from 6.7 on, three before",
        required: false,
        accounts: true,
        always: false,
        parks: true,
        needs: &[PAGE_ALLOC],
        cost: Cost {
            fires: "at each allocation under a memory policy, the default one too",
            exact: Price::Unmeasured(""),
            fallback: Price::None,
        },
    },
    Row {
        hook: HINT_FAULT,
        measures: "NUMA hinting faults by thread, its node and the page's node, and the pages they migrated",
        exact: &[&[
            fexit("hint_fault", &["mpol_misplaced"]).and("hint_fault_second"),
            fentry("hint_migrated", &["task_numa_fault"]).and("hint_migrated_second"),
        ]],
        fallback: &[],
        lost_on_fallback: "",
        lost: "NUMA hinting faults are not measured: no tracepoint tells of them",
        kernels: "6.1 and later with CONFIG_NUMA_BALANCING",
        required: false,
        accounts: false,
        always: false,
        parks: true,
        needs: &[],
        cost: Cost {
            fires: "at each NUMA hinting fault",
            exact: Price::Unmeasured(""),
            fallback: Price::None,
        },
    },
    Row {
        hook: BALANCER,
        measures: "what NUMA balancing costs each thread: time of scans and of hinting faults, page table entries it changed",
        exact: &[&[
            fentry("balancer_scan_enter", &["task_numa_work"]),
            fexit("balancer_scan_leave", &["task_numa_work"]),
            fexit("balancer_update", &["change_prot_numa"]),
            fentry("balancer_fault_enter", &["mpol_misplaced"]),
            fexit("balancer_fault_leave", &["task_numa_fault"]),
        ]],
        fallback: &[],
        lost_on_fallback: "",
        lost: "what NUMA balancing costs is not measured, and whether it helps is not judged by its cost",
        kernels: "6.1 and later with CONFIG_NUMA_BALANCING",
        required: false,
        accounts: false,
        always: false,
        parks: false,
        needs: &[],
        cost: Cost {
            fires: "twice at each NUMA hinting fault, and at each scan of a thread's memory",
            exact: Price::Unmeasured("a clock and a map entry at each end"),
            fallback: Price::None,
        },
    },
    Row {
        hook: BALANCER_SKIP,
        measures: "mappings that NUMA balancing leaves alone, and why",
        exact: &[&[tp("balancer_skip", &["sched_skip_vma_numa"])]],
        fallback: &[],
        lost_on_fallback: "",
        lost: "which mappings NUMA balancing leaves alone, and why, is not measured",
        kernels: "6.7 and later with CONFIG_NUMA_BALANCING; earlier ones have no such tracepoint",
        required: false,
        accounts: false,
        always: false,
        parks: false,
        needs: &[],
        cost: Cost {
            fires: "at each mapping that a scan passes over",
            exact: Price::Unmeasured(""),
            fallback: Price::None,
        },
    },
    Row {
        hook: PAGE_MIGRATION,
        measures: "pages moved between nodes, by the process that has them mapped, nodes and reason; who asked and how long it took",
        exact: &[&MIGRATION_WITH_PMD, &MIGRATION],
        fallback: &[
            MIGRATION[0],
            tp("page_migration_batch", &["mm_migrate_pages"]).and("page_migration_batch_second"),
        ],
        lost_on_fallback: "nodes and owners are not known: moved pages are counted per call, by reason, for whoever called",
        lost: "page migrations are not measured",
        kernels: "6.1 and later; owners with CONFIG_MEMCG",
        required: false,
        accounts: false,
        always: false,
        parks: true,
        needs: &[],
        cost: Cost {
            fires: "several times for each page that is moved, on the fallback twice for each call",
            exact: Price::Unmeasured(""),
            fallback: Price::Ns(2350),
        },
    },
    Row {
        hook: NUMASTAT_FOLD,
        measures: "the instant at which the kernel sums its numastat counters",
        exact: &[&[fentry("numastat_fold", &["fold_vm_numa_events"])]],
        fallback: &[],
        lost_on_fallback: "",
        lost: "totals and numastat are cut a few microseconds apart, so small residuals are expected",
        kernels: "6.1 and later",
        required: false,
        accounts: true,
        always: false,
        parks: false,
        needs: &[PAGE_ALLOC],
        cost: Cost {
            fires: "when somebody reads numastat or vmstat",
            exact: Price::Unmeasured(""),
            fallback: Price::None,
        },
    },
];

/// Does at a switch of tasks what [`TASK_RUN`] does beside its own work, in a session without that hook.
pub const PARKING: Probe = tp("task_park", &["sched_switch"]);

/// What every kernel that migrates has.
const MIGRATION: [Probe; 6] = [
    tp("page_migration_start", &["mm_migrate_pages_start"]).and("page_migration_start_second"),
    fentry("page_migration_enter", &["move_to_new_folio"]),
    fexit("page_migration", &["move_to_new_folio"]).and("page_migration_second"),
    fentry("page_migration_owner", &["remove_migration_pte"]).and("page_migration_owner_second"),
    tp("page_migration_pte", &["remove_migration_pte"]).and("page_migration_pte_second"),
    tp("page_migration_end", &["mm_migrate_pages"]).and("page_migration_end_second"),
];

/// The same where huge pages migrate whole.
const MIGRATION_WITH_PMD: [Probe; 7] = [
    MIGRATION[0],
    MIGRATION[1],
    MIGRATION[2],
    MIGRATION[3],
    MIGRATION[4],
    MIGRATION[5],
    tp("page_migration_pmd", &["remove_migration_pmd"]),
];

const fn fentry(program: &'static str, targets: &'static [&'static str]) -> Probe {
    Probe {
        program,
        kind: HookKind::Fentry,
        targets,
        twin: None,
        rides_on: None,
    }
}

const fn fexit(program: &'static str, targets: &'static [&'static str]) -> Probe {
    Probe {
        program,
        kind: HookKind::Fexit,
        targets,
        twin: None,
        rides_on: None,
    }
}

const fn tp(program: &'static str, targets: &'static [&'static str]) -> Probe {
    Probe {
        program,
        kind: HookKind::TpBtf,
        targets,
        twin: None,
        rides_on: None,
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
            .flat_map(|row| row.exact.iter().copied().flatten().chain(row.fallback))
            .chain([&PARKING])
        {
            for program in std::iter::once(probe.program).chain(probe.twin) {
                assert!(object.iter().any(|name| name == program), "{program}");
            }
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
