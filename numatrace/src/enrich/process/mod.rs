//! Process incarnations: which process a pid meant at a given time.
//!
//! Pids are reused within seconds in a fork storm, so a process is a pid and a start time. Starts
//! come from sources of different precision: records and totals have nanoseconds, `/proc` has clock
//! ticks of 10 ms. Two starts are the same when their ticks are.

mod ended;
#[cfg(test)]
mod ended_tests;
mod folding;
mod incarnation;
mod life;
mod names;
mod processes;
#[cfg(test)]
mod tests;

pub use ended::{ENDED_THREADS, Folded, Folds};
pub use incarnation::{Process, ProcessIndex};
pub use processes::Processes;
