//! The beginning and the end of a session: deadlines, refusals before it begins, and the place of
//! its output.

use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use numatrace_tests::harness::report::Report;
use numatrace_tests::harness::running::{Finished, Running, Watch};
use numatrace_tests::harness::tracer::{DEADLINE, READY};
use numatrace_tests::harness::{bpf, programs};
use serde_json::Value;

fn trace(args: &[&str]) -> Command {
    let mut command = Command::new(programs::numatrace().unwrap());
    command.arg("trace").args(args);
    command
}

fn ended(args: &[&str]) -> Finished {
    Running::start(&mut trace(args))
        .unwrap()
        .finish(DEADLINE)
        .unwrap()
}

#[test]
fn json_on_stdout_is_one_document_and_talk_is_on_stderr() {
    let output = ended(&["-d", "1", "-f", "json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(report["schema"], "numatrace.report/1");
    assert!(output.stderr.contains(READY), "{}", output.stderr);
}

#[test]
fn a_commands_output_does_not_mix_with_json() {
    let output = ended(&["-f", "json", "--", "sh", "-c", "echo from the command"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_str::<Value>(&output.stdout).unwrap();
    assert!(
        output.stderr.contains("from the command"),
        "{}",
        output.stderr
    );
}

#[test]
fn text_follows_the_commands_output() {
    let output = ended(&["--", "sh", "-c", "echo from the command"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(
        output.stdout.starts_with("from the command\n"),
        "{}",
        output.stdout
    );
    assert!(output.stdout.len() > 200, "no report: {}", output.stdout);
    assert!(
        !output.stdout.contains('\u{1b}'),
        "colour without a terminal"
    );
}

#[test]
fn a_process_that_does_nothing_is_there_when_it_was_asked_for_with_all_its_memory() {
    let mut command = Command::new(programs::workload().unwrap());
    let mut idle = Running::start(command.args(["hold", "--pages", "8192"])).unwrap();
    // The workload keeps the pages, and waits for the end of its input.
    idle.wait_for_output("\n", DEADLINE).unwrap();
    let pid = idle.pid().to_string();
    let output = ended(&["-d", "2", "-f", "json", "--residency", "-p", &pid]);
    idle.hang_up();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(idle.finish(DEADLINE).unwrap().status.code(), Some(0));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    std::fs::write(&path, &output.stdout).unwrap();
    let report = Report::read(&path).unwrap();
    let process = report
        .process(pid.parse().unwrap())
        .expect("it was asked for");
    let resident: u64 = process
        .mappings()
        .filter_map(|mapping| mapping.vector("/residency"))
        .flatten()
        .sum();
    assert!(resident >= 8_192, "{:#}", process.0["mappings"]);
    assert!(process.0["home_node"].is_number(), "{:#}", process.0);
}

#[test]
fn commands_that_cannot_be_run_end_as_in_a_shell() {
    let missing = ended(&["--", "no-such-command-anywhere"]);
    assert_eq!(missing.status.code(), Some(127), "{missing:?}");
    assert!(
        missing.stderr.contains("no-such-command-anywhere"),
        "{}",
        missing.stderr
    );
    let folder = ended(&["--", "/"]);
    assert_eq!(folder.status.code(), Some(126), "{folder:?}");
}

#[test]
fn an_unwritable_output_is_found_before_the_session_begins() {
    let begun = Instant::now();
    let output = ended(&["-d", "30", "-o", "/no/such/folder/report.json"]);
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "found only after the session"
    );
    assert_ne!(output.status.code(), Some(0));
    assert!(
        !output.stderr.contains(READY),
        "the session began: {}",
        output.stderr
    );
    assert!(
        output.stderr.contains("/no/such/folder"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_pid_that_does_not_exist_is_named() {
    // Beyond the largest pid of any kernel (PID_MAX_LIMIT).
    let output = ended(&["-d", "30", "-p", "4194305"]);
    assert_ne!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(output.stdout, "");
    assert!(output.stderr.contains("4194305"), "{}", output.stderr);
}

#[test]
fn the_report_goes_to_dev_null_when_asked_to() {
    let output = ended(&["-d", "1", "-f", "json", "-o", "/dev/null"]);
    assert_eq!(
        (output.status.code(), output.stdout.as_str()),
        (Some(0), ""),
        "{output:?}"
    );
}

#[test]
fn a_report_file_is_private_and_replaces_no_link() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let (file, target, link) = (
        folder.path().join("r.json"),
        folder.path().join("precious"),
        folder.path().join("link"),
    );
    let output = ended(&["-d", "1", "-f", "json", "-o", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    std::fs::write(&target, "precious").unwrap();
    symlink(&target, &link).unwrap();
    ended(&["-d", "1", "-f", "json", "-o", link.to_str().unwrap()]);
    assert_eq!(
        std::fs::read_to_string(&target).unwrap(),
        "precious",
        "a link was followed"
    );
}

#[test]
fn a_deadline_ends_the_command_by_sigterm_and_the_session_well() {
    let output = ended(&["-d", "1", "-f", "json", "--", "sleep", "1000"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_str::<Value>(&output.stdout).unwrap();
}

#[test]
fn keep_running_leaves_the_command_alone_at_the_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("r.json");
    let args = [
        "-d",
        "1",
        "--keep-running",
        "-f",
        "json",
        "-o",
        report.to_str().unwrap(),
        "--",
        "sh",
        "-c",
        "echo $$; exec cat",
    ];
    let mut tracer = Running::start(&mut trace(&args)).unwrap();
    tracer.wait_for_output("\n", DEADLINE).unwrap();
    let command = Watch::on(tracer.output().trim().parse().unwrap()).unwrap();
    assert!(tracer.has_ended(DEADLINE).unwrap());
    Report::read(&report).unwrap();
    assert!(
        !command.within(Duration::from_millis(200)).unwrap(),
        "the command ended with the session"
    );
    tracer.hang_up();
    assert!(command.within(DEADLINE).unwrap(), "cat ends with its stdin");
}

#[test]
fn sigterm_is_a_normal_end_with_a_report() {
    let tracer = Running::start(&mut trace(&["-f", "json"])).unwrap();
    tracer.wait_for(READY, DEADLINE).unwrap();
    tracer.signal(Signal::SIGTERM).unwrap();
    let output = tracer.finish(DEADLINE).unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(
        serde_json::from_str::<Value>(&output.stdout).unwrap()["schema"],
        "numatrace.report/1"
    );
}

#[test]
fn a_panic_detaches_and_says_where_to_report_it() {
    let mut command = trace(&["--inject", "panic=1", "--", "cat"]);
    let tracer = Running::start(&mut command).unwrap();
    tracer.wait_for(READY, DEADLINE).unwrap();
    let ours = bpf::held_by(tracer.pid()).unwrap();
    assert!(!ours.is_empty(), "a tracer at work holds programs");
    let end = tracer.finish(DEADLINE).unwrap();
    assert_eq!(end.status.code(), Some(1), "{end:?}");
    assert!(end.stderr.contains("panicked at"), "{end:?}");
    assert!(end.stderr.contains("please report it"), "{end:?}");
    let left = bpf::left_after(&ours, Duration::from_secs(30)).unwrap();
    assert_eq!(left, bpf::Ids::new());
}

#[test]
fn an_interpreter_that_is_missing_is_not_a_missing_command() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    std::fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, mode).unwrap();
    let end = ended(&["--", script.to_str().unwrap()]);
    assert_eq!(end.status.code(), Some(126), "{end:?}");
    assert!(
        end.stderr.contains("its interpreter does not exist"),
        "{end:?}"
    );
}
