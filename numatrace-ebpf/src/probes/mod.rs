//! One hook family a file. The attributed function only turns a result into a return code; `try_…` holds the logic.

pub mod alloc_bulk;
pub mod alloc_policy;
pub mod balancer;
pub mod hint_fault;
pub mod numastat_fold;
pub mod page_alloc;
pub mod page_cache;
pub mod page_fault;
pub mod page_migration;
pub mod page_migration_fallback;
pub mod task_bind;
pub mod task_life;
pub mod task_move;
pub mod task_move_marks;
pub mod task_run;
