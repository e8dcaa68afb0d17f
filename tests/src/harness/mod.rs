//! Runs numatrace beside a workload, and reads what it reported.
//!
//! Binaries come from `NUMATRACE_BIN` and `NUMATRACE_WORKLOAD` (as in a guest), else from cargo's target folder. Each report is kept in
//! `NUMATRACE_ARTIFACTS` when that is set, and checked against the contract where there is a python3.

pub mod balancer;
pub mod bpf;
pub mod contract;
pub mod kernel_count;
pub mod numastat;
pub mod programs;
pub mod report;
pub mod running;
pub mod terminal;
pub mod tracer;
pub mod truth;

use std::io::Write;

/// Says on stderr that a test was left out and why; the runner counts these lines. Written past libtest's capture, or nobody would see it.
pub fn skipped(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr().lock(), "skipped: {test}: {why}");
}

/// Says on stderr that a part of a test was left out; the rest of it goes on, so it counts as run.
pub fn left_out(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr().lock(), "left out: {test}: {why}");
}

/// The path of the function it stands in, for naming reports: `kernel::scope::…`.
#[macro_export]
macro_rules! test_name {
    () => {{
        fn here() {}
        let name = std::any::type_name_of_val(&here);
        name.strip_suffix("::here").unwrap_or(name)
    }};
}

/// A tracer named after the test it stands in.
#[macro_export]
macro_rules! tracer {
    () => {
        $crate::harness::tracer::Tracer::new($crate::test_name!())
    };
}

/// The workload's truth of a run; ends the test as skipped when the workload could not be done on this machine.
#[macro_export]
macro_rules! or_skip {
    ($outcome:expr) => {
        match $outcome.expect("the run should work") {
            $crate::harness::tracer::Outcome::Done(run) => *run,
            $crate::harness::tracer::Outcome::Unsupported(why) => {
                $crate::harness::skipped($crate::test_name!(), &why);
                return;
            }
        }
    };
}
