//! What the tracer says beside what happened: one module per stem. For machines with two nodes or more, as root; `cargo xtask test vm` runs it in guests.

mod machine;

mod workload;

mod leftovers;
mod page_alloc;
mod scope;
mod task_life;
