//! The state after a session: nothing of the tracer in the kernel, and the launched command
//! untouched.

use std::time::Duration;

use nix::sys::signal::Signal;
use numatrace_tests::harness::bpf;
use numatrace_tests::harness::running::{Running, Watch};
use numatrace_tests::harness::tracer::{DEADLINE, READY};
use numatrace_tests::harness::truth::Truth;
use numatrace_tests::harness::{programs, report::Report};
use numatrace_tests::tracer;

/// The kernel frees programs after a grace period, and trampolines after several more.
const FREED: Duration = Duration::from_secs(30);

/// Ends a session by `signal` and asserts that the tracer's objects in the kernel go with it.
fn nothing_stays_after(signal: Signal) {
    let folder = tempfile::tempdir().unwrap();
    let pins = bpf::pins();
    let tracer = Running::start(
        &mut tracer!()
            .command(&folder.path().join("report.json"))
            .unwrap(),
    )
    .unwrap();
    tracer.wait_for(READY, DEADLINE).unwrap();
    let ours = bpf::held_by(tracer.pid()).unwrap();
    for kind in [bpf::Kind::Prog, bpf::Kind::Map] {
        assert!(
            ours.iter().any(|(held, _)| *held == kind),
            "a tracer at work holds a {kind:?}: {ours:?}"
        );
    }
    tracer.signal(signal).unwrap();
    let finished = tracer.finish(DEADLINE).unwrap();
    if signal != Signal::SIGKILL {
        assert_eq!(finished.status.code(), Some(0), "{finished:?}");
        Report::read(&folder.path().join("report.json")).unwrap();
    }
    assert_eq!(bpf::left_after(&ours, FREED).unwrap(), bpf::Ids::new());
    assert_eq!(bpf::pins(), pins);
}

#[test]
fn nothing_stays_after_ctrl_c() {
    nothing_stays_after(Signal::SIGINT);
}

#[test]
fn nothing_stays_after_sigterm() {
    nothing_stays_after(Signal::SIGTERM);
}

#[test]
fn nothing_stays_after_sigkill() {
    nothing_stays_after(Signal::SIGKILL);
}

#[test]
fn a_launched_command_goes_on_when_its_tracer_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = tracer!()
        .command(&folder.path().join("report.json"))
        .unwrap();
    let mut tracer = Running::start(
        command
            .arg("--")
            .arg(programs::workload().unwrap())
            .args(["hold", "--pages", "10"]),
    )
    .unwrap();
    // The command's line goes through the tracer's stdout, which is the command's too.
    tracer.wait_for_output("}\n", DEADLINE).unwrap();
    let pid = Truth::parse(&tracer.output()).unwrap().pid();
    let command = Watch::on(u32::try_from(pid).unwrap()).unwrap();
    let ours = bpf::held_by(tracer.pid()).unwrap();
    tracer.signal(Signal::SIGKILL).unwrap();
    assert!(tracer.has_ended(DEADLINE).unwrap());
    assert_eq!(
        bpf::left_after(&ours, FREED).unwrap(),
        bpf::Ids::new(),
        "what it was traced with does not outlive the tracer"
    );

    assert!(
        !command.within(Duration::from_millis(200)).unwrap(),
        "the command ended with its tracer"
    );
    tracer.hang_up();
    assert!(
        command.within(DEADLINE).unwrap(),
        "the command holds until its stdin closes, and then ends"
    );
}
