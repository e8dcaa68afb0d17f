//! Claims about the tracer on the machine that builds it, with any number of nodes and any hooks.
//! They need root; `cargo xtask test host` runs them.

#![expect(clippy::unwrap_used, reason = "tests state claims; an unwrap is one")]

mod bounded;
mod ended;
#[path = "../kernel/events.rs"]
mod events;
mod fallback;
mod held;
mod hooks;
mod hostile;
mod interval;
#[path = "../kernel/leftovers.rs"]
mod leftovers;
mod opened;
mod placement;
#[path = "../kernel/record.rs"]
mod record;
mod scarce;
mod session;
#[path = "../kernel/stat_numastat.rs"]
mod stat_numastat;
mod stems;
#[path = "../kernel/storm.rs"]
mod storm;
#[path = "../kernel/task_move_cache.rs"]
mod task_move_cache;
#[path = "../kernel/top.rs"]
mod top;
mod top_life;
mod touch;
mod written;
