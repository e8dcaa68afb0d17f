//! Records, which leave through the ring: single events, and runs of events that have much in
//! common.
//!
//! The totals hold the same counts, and stay exact when a record is lost: it loses detail, never a
//! number.

pub mod address;
pub mod emit;
pub mod fill_run;
pub mod kernel_memory;
pub mod limit;
pub mod move_stack;
pub mod moved_run;
pub mod node_shortage;
pub mod touch_outside;
pub mod touch_run;
pub mod touched;
pub mod use_run;
