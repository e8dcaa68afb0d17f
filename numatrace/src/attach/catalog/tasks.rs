//! Rows about tasks: their life, their CPU time, their moves and their bindings.

use super::{
    cost::{Cost, RunTime},
    names,
    row::{Probe, Row, fentry, fexit, on_demand, tp, unmeasured},
};

/// Forks, execs and exits.
pub(super) const LIFE: Row = Row {
    hook: names::TASK_LIFE,
    measures: "names and children of processes, including those that end during the session",
    exact: &[&[
        tp("task_fork", &["sched_process_fork"]),
        tp("task_exec", &["sched_process_exec"]),
        tp("task_exit", &["sched_process_exit"]),
    ]],
    lost: "processes that end during the session have no name, and children are not followed",
    always: true,
    cost: Cost {
        fires: "at each fork, exec and exit",
        exact: RunTime::Ns(700),
        fallback: RunTime::None,
    },
    ..Row::OPTIONAL
};

const SWITCH: Probe = tp("task_run", &["sched_switch"]);

/// CPU time.
pub(super) const RUN: Row = Row {
    hook: names::TASK_RUN,
    measures: "CPU time of threads by node",
    exact: &[&[SWITCH, on_demand(names::TASK_RUN_NOW)]],
    fallback: &[SWITCH],
    lost_on_fallback: "a task's time before its first context switch and after its last one in \
                       the session is missing",
    lost: "run time by node is not measured",
    cost: Cost {
        fires: "at each context switch",
        exact: RunTime::Ns(260),
        fallback: RunTime::Ns(260),
    },
    ..Row::OPTIONAL
};

const MIGRATE: Probe = tp("task_move", &["sched_migrate_task"]);
const WAKEUP_NEW: Probe = tp("task_placed", &["sched_wakeup_new"]);
const MOVE_NUMA: Probe = tp("task_move_numa", &["sched_move_numa"]);
const SWAP_NUMA: Probe = tp("task_swap_numa", &["sched_swap_numa"]);
const STICK_NUMA: Probe = tp("task_stick_numa", &["sched_stick_numa"]);
const CPU_HOTPLUG: Probe = tp("cpu_step", &["cpuhp_enter"]);

/// Changes of CPU.
pub(super) const MOVE: Row = Row {
    hook: names::TASK_MOVE,
    measures: "CPU changes by thread, nodes and reason; how long a task stayed on a node before it \
               went back",
    exact: &[&[
        MIGRATE,
        WAKEUP_NEW,
        MOVE_NUMA,
        SWAP_NUMA,
        STICK_NUMA,
        CPU_HOTPLUG,
        fentry("task_exec_enter", &["sched_exec"]),
        fexit("task_exec_leave", &["sched_exec"]),
        fentry("task_affinity_enter", &["__sched_setaffinity"]),
        fexit("task_affinity_leave", &["__sched_setaffinity"]),
        fentry("task_mask_change", &["__set_cpus_allowed_ptr_locked"]),
    ]],
    fallback: &[
        MIGRATE,
        WAKEUP_NEW,
        MOVE_NUMA,
        SWAP_NUMA,
        STICK_NUMA,
        CPU_HOTPLUG,
    ],
    lost_on_fallback: "two reasons merge into others: affinity counts as cpuset, and exec as \
                       active_balance or wakeup; moves and their nodes are complete",
    lost: "task moves are not measured",
    cost: Cost {
        fires: "when a task changes its CPU, its CPU mask or its program",
        exact: RunTime::Unmeasured("as the fallback, and more at a pin or an exec"),
        fallback: RunTime::Ns(330),
    },
    ..Row::OPTIONAL
};

const SET_AFFINITY: Probe = fexit("task_bind_affinity", &["__sched_setaffinity"]);
const SET_POLICY: Probe = fexit("task_bind_policy", &["do_set_mempolicy"]);

/// Bindings to CPUs and to memory.
pub(super) const BIND: Row = Row {
    hook: names::TASK_BIND,
    measures: "when threads were bound: CPUs by sched_setaffinity(2) and cpusets, memory by \
               set_mempolicy(2), mbind(2) and cpusets",
    exact: &[
        &[
            SET_AFFINITY,
            SET_POLICY,
            fexit("task_bind_range", &["do_mbind"]),
            fexit("task_bind_cpuset_cpus", &["set_cpus_allowed_ptr"]),
            fexit("task_bind_cpuset_mems", &["mpol_rebind_task"]),
        ],
        &[SET_AFFINITY, SET_POLICY],
        &[SET_AFFINITY],
    ],
    lost: "memory that was touched before its thread was bound cannot be told apart from other \
           first touches",
    cost: unmeasured("when a thread is bound in one of these ways"),
    ..Row::OPTIONAL
};

/// Parks the state of the task that is switched out, as the program of [`RUN`] does beside its own
/// work; for sessions without that hook.
pub(super) const PARK: Probe = tp("task_park", &["sched_switch"]);
