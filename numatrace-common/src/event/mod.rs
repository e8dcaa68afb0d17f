//! Bodies of ring-buffer records, one file per stem.

pub mod alloc_run;
pub mod task_life;
