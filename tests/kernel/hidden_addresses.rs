//! A kernel that hides its addresses from everybody (`kernel.kptr_restrict=2`): what needs them is
//! refused with its reason, and leaves nothing.

use std::time::Duration;

use numatrace_tests::harness::marked::Mark;
use numatrace_tests::harness::report::Report;
use numatrace_tests::harness::running::Running;
use numatrace_tests::harness::tracer::DEADLINE;
use numatrace_tests::tracer;

const RESTRICT: &str = "/proc/sys/kernel/kptr_restrict";

/// Time in which a child ends whose tracer is gone.
const GONE: Duration = Duration::from_secs(10);

/// The setting, put back at the end.
struct Hidden(String);

impl Hidden {
    fn new() -> Self {
        let before = std::fs::read_to_string(RESTRICT).unwrap();
        std::fs::write(RESTRICT, "2").unwrap();
        Self(before)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let _ = std::fs::write(RESTRICT, &self.0);
    }
}

#[test]
fn reasons_cannot_be_verified_and_no_held_command_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (mark, path) = (Mark::new(), folder.path().join("report.json"));
    let hidden = Hidden::new();
    let mut command = tracer!().command(&path).unwrap();
    command.args(["--verify-reasons", "--", "sleep", "1000"]);
    let end = Running::start(mark.put_on(&mut command)).unwrap();
    let end = end.finish(DEADLINE).unwrap();
    drop(hidden);
    assert_eq!(end.status.code(), Some(4), "{end:?}");
    assert!(end.stderr.contains("kernel.kptr_restrict"), "{end:?}");
    assert!(end.stderr.contains("hint:"), "{end:?}");
    assert_eq!(mark.left_after(GONE), [0; 0]);
    assert!(!path.exists());
}

#[test]
fn a_session_goes_without_addresses_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let hidden = Hidden::new();
    let mut command = tracer!().command(&path).unwrap();
    command.args(["--", "true"]);
    let end = Running::start(&mut command).unwrap();
    let end = end.finish(DEADLINE).unwrap();
    drop(hidden);
    assert_eq!(end.status.code(), Some(0), "{end:?}");
    let report = Report::read(&path).unwrap();
    let told = report.value["hooks"].to_string();
    assert!(told.contains("hidden from this process"), "{told}");
}
