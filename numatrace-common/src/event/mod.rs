//! Bodies of ring-buffer records, one file per stem.

pub mod fill_run;
pub mod kernel_alloc;
pub mod mapping_run;
pub mod move_stack;
pub mod pages_moved;
pub mod task_bind;
pub mod task_life;
pub mod task_moved;
