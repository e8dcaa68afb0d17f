//! A second opinion on the reasons of task moves: the functions on the kernel's way to
//! `set_task_cpu`.
//!
//! A stack shows which function moved the task, not always who asked for the move: the stopper
//! thread moves tasks for sched_setaffinity(2), cpusets, exec and the NUMA balancer alike. So a
//! stack stands for all reasons that can lead to it, and agrees with each of them.

use std::collections::BTreeMap;

use numatrace_common::count_key::MoveReason;
use serde::{Deserialize, Serialize};

/// The class of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum StackSays {
    /// `try_to_wake_up`, or the target's part of a remote wake-up.
    Wakeup,
    /// A load balancer took the task off a run queue.
    LoadBalance,
    /// The stopper thread, sent by a load balancer.
    ActiveBalance,
    /// The stopper thread, swapping two tasks.
    NumaSwap,
    /// The stopper thread, sent by a caller that waits: a change of the CPU mask, exec, or the NUMA
    /// balancer.
    Stopper,
    /// sched_setaffinity(2), which found the task waiting and moved it itself.
    Affinity,
    /// Any other change of the CPU mask that moved a waiting task itself.
    Mask,
    /// The stopper thread of a CPU that goes offline.
    Hotplug,
    /// The real-time or deadline scheduling class.
    RtDl,
    /// The dispatch of a BPF scheduler.
    SchedExt,
    /// The stopper thread, sent by the real-time class, or for a task that could not be migrated
    /// before.
    Pushed,
    /// A stack without any known function.
    Unclassified,
}

impl StackSays {
    /// Classifies a stack by its first known function, from `set_task_cpu` outwards.
    pub fn of<'a>(functions: impl IntoIterator<Item = &'a str>) -> Self {
        let mut mask = false;
        for name in functions {
            match plain(name) {
                "try_to_wake_up" | "sched_ttwu_pending" => return Self::Wakeup,
                "move_remote_task_to_local_dsq" => return Self::SchedExt,
                // Renamed in 6.10. The last two are of core scheduling, which takes a task from
                // another queue as a load balancer does.
                "load_balance"
                | "sched_balance_rq"
                | "newidle_balance"
                | "sched_balance_newidle"
                | "try_steal_cookie"
                | "sched_core_balance" => return Self::LoadBalance,
                "active_load_balance_cpu_stop" => return Self::ActiveBalance,
                "migrate_swap_stop" => return Self::NumaSwap,
                "migration_cpu_stop" => return Self::Stopper,
                "balance_push_cpu_stop" => return Self::Hotplug,
                "push_cpu_stop" => return Self::Pushed,
                "push_rt_task"
                | "pull_rt_task"
                | "push_dl_task"
                | "pull_dl_task"
                | "dl_task_timer"
                | "dl_task_offline_migration" => return Self::RtDl,
                "sched_setaffinity" => return Self::Affinity,
                "affine_move_task" | "set_cpus_allowed_ptr" | "set_cpus_allowed_ptr_locked" => {
                    mask = true;
                }
                _ => {}
            }
        }
        if mask { Self::Mask } else { Self::Unclassified }
    }

    /// Returns whether a move with this reason can have such a stack; `None` for an unclassified
    /// stack. A wake-up that a change of the CPU mask or a hotplug forced has the reason of that.
    #[must_use]
    pub fn agrees(self, reason: MoveReason, forced: bool) -> Option<bool> {
        use MoveReason as R;
        Some(match self {
            Self::Unclassified => return None,
            Self::Wakeup => {
                reason == R::Wakeup
                    || forced && matches!(reason, R::Affinity | R::Cpuset | R::Hotplug)
            }
            Self::LoadBalance => reason == R::LoadBalance,
            Self::ActiveBalance => reason == R::ActiveBalance,
            Self::NumaSwap => reason == R::NumaSwap,
            Self::Stopper => matches!(
                reason,
                R::Affinity | R::Cpuset | R::Hotplug | R::Exec | R::NumaMove
            ),
            Self::Affinity => reason == R::Affinity,
            Self::Mask => matches!(reason, R::Affinity | R::Cpuset | R::Hotplug),
            Self::Hotplug => reason == R::Hotplug,
            Self::RtDl => reason == R::RtDl,
            Self::SchedExt => reason == R::SchedExt,
            Self::Pushed => matches!(reason, R::RtDl | R::Affinity | R::Cpuset | R::Hotplug),
        })
    }

    /// Returns the name that the report uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wakeup => "wakeup",
            Self::LoadBalance => "load_balance",
            Self::ActiveBalance => "active_balance",
            Self::NumaSwap => "numa_swap",
            Self::Stopper => "affinity, cpuset, hotplug, exec or numa_move",
            Self::Affinity => "affinity",
            Self::Mask => "affinity, cpuset or hotplug",
            Self::Hotplug => "hotplug",
            Self::RtDl => "rt_dl",
            Self::SchedExt => "sched_ext",
            Self::Pushed => "rt_dl, affinity, cpuset or hotplug",
            Self::Unclassified => "nothing",
        }
    }
}

/// Returns a function's name without leading underscores and without the suffixes of compilers:
/// `.isra.0`, `.part.0`, `.constprop.0`.
fn plain(name: &str) -> &str {
    let name = name.split_once('.').map_or(name, |(name, _)| name);
    name.trim_start_matches('_')
}

/// Verified moves of a session or interval.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Verified {
    /// Moves by recorded reason and class of the stack.
    pub by: BTreeMap<(MoveReason, StackSays), Opinions>,
}

/// How often a reason met a class of stacks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opinions {
    /// Moves where both agree.
    pub agreed: u64,
    /// Moves where they do not.
    pub disagreed: u64,
    /// Moves with an unclassified stack.
    pub unclassified: u64,
    /// The functions of one stack that does not agree, innermost first.
    pub example: Vec<String>,
}

impl Verified {
    /// Takes in a move with the functions of its stack, innermost first.
    pub fn apply(&mut self, reason: MoveReason, forced: bool, functions: &[&str]) {
        let says = StackSays::of(functions.iter().copied());
        let opinions = self.by.entry((reason, says)).or_default();
        match says.agrees(reason, forced) {
            Some(true) => {
                opinions.agreed += 1;
                return;
            }
            Some(false) => opinions.disagreed += 1,
            None => opinions.unclassified += 1,
        }
        if opinions.example.is_empty() {
            opinions.example = functions.iter().map(|name| (*name).to_owned()).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn says(stack: &str) -> StackSays {
        StackSays::of(stack.split_whitespace())
    }

    #[test]
    fn the_first_known_function_decides() {
        assert_eq!(
            says("set_task_cpu try_to_wake_up wake_up_q futex_wake load_balance"),
            StackSays::Wakeup
        );
        assert_eq!(
            says(
                "set_task_cpu detach_task detach_tasks sched_balance_rq sched_balance_newidle \
                 __schedule"
            ),
            StackSays::LoadBalance
        );
        // Renamed by the compiler on 7.x.
        assert_eq!(
            says(
                "set_task_cpu detach_task __active_load_balance_cpu_stop.isra.0 cpu_stopper_thread"
            ),
            StackSays::ActiveBalance
        );
        assert_eq!(
            says(
                "set_task_cpu move_queued_task.isra.0 __migrate_task __balance_push_cpu_stop \
                 cpu_stopper_thread"
            ),
            StackSays::Hotplug
        );
        assert_eq!(
            says(
                "set_task_cpu move_queued_task affine_move_task __set_cpus_allowed_ptr_locked \
                 __sched_setaffinity sched_setaffinity"
            ),
            StackSays::Affinity
        );
        assert_eq!(
            says("set_task_cpu affine_move_task __set_cpus_allowed_ptr cpuset_attach_task"),
            StackSays::Mask
        );
        assert_eq!(says("set_task_cpu somebody_else"), StackSays::Unclassified);
    }

    #[test]
    fn a_bpf_scheduler_s_dispatch_is_no_load_balancing() {
        let dispatch = says(
            "set_task_cpu move_remote_task_to_local_dsq consume_dispatch_q balance_scx __schedule",
        );
        assert_eq!(dispatch.agrees(MoveReason::SchedExt, false), Some(true));
        assert_eq!(dispatch.agrees(MoveReason::LoadBalance, false), Some(false));
    }

    #[test]
    fn the_stopper_is_anybody_s_who_waits_for_it_and_nobody_else_s() {
        let stopper = says("set_task_cpu move_queued_task migration_cpu_stop cpu_stopper_thread");
        assert_eq!(stopper.agrees(MoveReason::Exec, false), Some(true));
        assert_eq!(stopper.agrees(MoveReason::NumaMove, false), Some(true));
        assert_eq!(
            stopper.agrees(MoveReason::ActiveBalance, false),
            Some(false)
        );
    }

    #[test]
    fn a_wake_up_is_a_mask_s_only_where_it_was_forced() {
        assert_eq!(
            StackSays::Wakeup.agrees(MoveReason::Affinity, true),
            Some(true)
        );
        assert_eq!(
            StackSays::Wakeup.agrees(MoveReason::Affinity, false),
            Some(false)
        );
        assert_eq!(
            StackSays::Wakeup.agrees(MoveReason::LoadBalance, true),
            Some(false)
        );
    }

    #[test]
    fn what_does_not_agree_keeps_an_example() {
        let mut verified = Verified::default();
        verified.apply(
            MoveReason::Wakeup,
            false,
            &["set_task_cpu", "try_to_wake_up"],
        );
        verified.apply(MoveReason::Wakeup, false, &["set_task_cpu", "push_rt_task"]);
        verified.apply(MoveReason::Wakeup, false, &["other"]);
        let counts: Vec<_> = verified
            .by
            .values()
            .map(|opinions| (opinions.agreed, opinions.disagreed, opinions.unclassified))
            .collect();
        assert_eq!(counts, [(1, 0, 0), (0, 1, 0), (0, 0, 1)]);
        let wrong = &verified.by[&(MoveReason::Wakeup, StackSays::RtDl)];
        assert_eq!(wrong.example, ["set_task_cpu", "push_rt_task"]);
    }

    proptest! {
        #[test]
        fn every_move_is_counted_once(
            moves in proptest::collection::vec(
                (0..MoveReason::ALL.len(), any::<bool>(), 0..4usize),
                0..200,
            )
        ) {
            let stacks = ["try_to_wake_up", "migration_cpu_stop", "push_cpu_stop", "nobody"];
            let mut verified = Verified::default();
            for (reason, forced, stack) in &moves {
                verified.apply(MoveReason::ALL[*reason], *forced, &[stacks[*stack]]);
            }
            let all = verified.by.values();
            let counted: u64 = all.map(|o| o.agreed + o.disagreed + o.unclassified).sum();
            prop_assert_eq!(counted, moves.len() as u64);
        }
    }
}
