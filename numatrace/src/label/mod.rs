//! label: accumulators to the processes of the report: names, once per snapshot.
//!
//! Counters, matrices and verdicts are derived here from what was counted.

pub mod labels;
mod places;
mod processes;
pub mod values;

pub mod activity;
pub mod alloc;
pub mod audit;
mod balancing;
pub mod cross_check;
mod debug_files;
mod moved_by;
mod verify;

mod divide;
mod mapping_name;
mod mappings;
mod page_cache;
mod resident;
mod touched_by;

pub mod code;
pub mod symbol;
mod unwinding;

mod home;
mod incident;
mod incidents;
mod moments;

pub mod event;
mod failures;
pub mod frame;

mod cost;
pub mod coverage;
pub mod hooks;
pub mod report;
pub mod session_info;
mod shortages;
