//! Runs numatrace around a workload and reads its report.
//!
//! Binaries come from `NUMATRACE_BIN` and `NUMATRACE_WORKLOAD` (as in a guest), else from cargo's
//! target folder. Each report is kept in `NUMATRACE_ARTIFACTS` when that is set, and checked
//! against the contract on machines with python3.

pub mod balancer;
pub mod bpf;
pub mod calls;
pub mod contract;
pub mod kernel_count;
pub mod marked;
pub mod numastat;
pub mod programs;
pub mod report;
pub mod running;
pub mod signals;
pub mod terminal;
pub mod tracer;
pub mod trial;
pub mod truth;
pub mod waiting;

use std::io::Write;

/// Reports on stderr that a test is skipped, and the reason; the runner counts these lines. They go
/// past libtest's capture, which would hide them.
pub fn skipped(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr().lock(), "skipped: {test}: {why}");
}

/// Reports on stderr that a part of a test is left out. The rest of the test runs, so it counts as
/// run.
pub fn left_out(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr().lock(), "left out: {test}: {why}");
}

/// Returns the path of the function around it, to name reports after: `kernel::scope::…`.
#[macro_export]
macro_rules! test_name {
    () => {{
        fn here() {}
        let name = std::any::type_name_of_val(&here);
        name.strip_suffix("::here").unwrap_or(name)
    }};
}

/// Makes a tracer named after the test around it.
#[macro_export]
macro_rules! tracer {
    () => {
        $crate::harness::tracer::Tracer::new($crate::test_name!())
    };
}

/// Returns the session of a run. Ends the test as skipped when this machine cannot run the
/// workload.
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
