//! Probes: the programs that are attached, one hook family per file.
//!
//! An attributed function reads its arguments and returns 0, whatever happened: events that a
//! program could not count are in the loss counters. Logic that copies or variants of a program
//! share stands in functions of its own.
//!
//! The first lines of each file declare, in C, the functions (`proto:`) and tracepoints (`tp:`)
//! that it was written for, with the range of kernels; `numatrace/src/attach/prototype` compares
//! them with the running kernel.

pub mod alloc_bulk;
pub mod alloc_failed;
pub mod alloc_policy;
pub mod balancer;
pub mod direct_reclaim;
pub mod hint_fault;
pub mod hugetlb_failed;
pub mod numastat_fold;
pub mod oom_kill;
pub mod page_alloc;
pub mod page_cache;
pub mod page_captured;
pub mod page_fault;
pub mod page_migration;
pub mod page_migration_fallback;
pub mod policy_refused;
pub mod policy_seccomp;
pub mod shmem_fill;
pub mod task_bind;
pub mod task_life;
pub mod task_move;
pub mod task_move_marks;
pub mod task_run;
pub mod userfault;
