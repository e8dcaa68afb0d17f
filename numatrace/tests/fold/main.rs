//! All stages behind the kernel: counts as the totals hold them, through decode, enrich, fold,
//! label and model to JSON and text, on machines of any number of nodes. Nothing here needs a
//! kernel, a clock or root.

#![expect(clippy::unwrap_used, reason = "tests state claims; an unwrap is one")]

mod absences;
mod ended;
mod load;
mod machine;
mod order;
mod sums;
mod topologies;
mod whole;
