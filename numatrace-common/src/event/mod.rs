//! Bodies of ring-buffer records, one file per stem.

pub mod alloc_failed;
pub mod fill_run;
pub mod hugetlb_failed;
pub mod kernel_alloc;
pub mod mapping_run;
pub mod move_stack;
pub mod node_shortage;
pub mod oom_kill;
pub mod pages_moved;
pub mod policy_refused;
pub mod task_bind;
pub mod task_life;
pub mod task_moved;

/// Nodes, one bit each: a kernel has at most 1,024 of them ([`crate::limits::MAX_NODES`]).
pub type NodeSet = [u64; 16];
