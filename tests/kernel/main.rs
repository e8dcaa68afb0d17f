//! Claims about the tracer on machines with two nodes or more, one module per subject. They need
//! root; `cargo xtask test vm` runs them in guests.

#![expect(clippy::unwrap_used, reason = "tests state claims; an unwrap is one")]

mod support;

mod workload;

#[path = "../field/mod.rs"]
mod field;

mod container_view;
mod doctor;
mod events;
mod events_truth;
mod leftovers;
mod record;
mod scope;
mod storm;
mod top;
mod top_truth;

mod alloc_class;
mod audit;
mod broken;
mod chaos;
mod cpuset;
mod cross_check;
mod diff;
mod hidden_addresses;
mod hotplug;
mod interval;
mod low_memory;
mod mixed;
mod movable;
mod node_short;
mod numa_stat;
mod page_alloc;
mod pid_reuse;
mod preemption;
mod stat;
mod stat_file;
mod stat_numastat;
mod task_life;

mod balancer;
mod discarded;
mod failures;
mod fallback_order;
mod first_touch;
mod fix_trials;
mod fixes;
mod hint_fault;
mod mappings;
mod page_cache_fixes;
mod page_migration;
mod page_migration_stayed;
mod placement;
mod surprise;
mod task_move;
mod task_move_cache;
mod task_move_chosen;
mod task_move_ext;
mod task_move_numa;
mod task_move_placed;
mod task_move_pushed;
mod task_move_rt;
mod task_move_verified;
mod task_run;
mod touched_by;
mod touched_outside;

mod incident;
