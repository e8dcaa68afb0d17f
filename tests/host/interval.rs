//! `trace -i`: one report for each interval, as it ends.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use numatrace_tests::harness::programs;
use numatrace_tests::harness::running::{Running, Watch};
use numatrace_tests::harness::tracer::DEADLINE;
use serde_json::Value;

fn trace(args: &[&str]) -> Command {
    let mut command = Command::new(programs::numatrace().unwrap());
    command.arg("trace").args(args);
    command
}

fn output(args: &[&str]) -> String {
    let output = Running::start(&mut trace(args))
        .unwrap()
        .finish(DEADLINE)
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    output.stdout
}

#[test]
fn a_session_of_three_intervals_has_three_reports_and_no_rest() {
    let lines = output(&["-q", "-i", "700ms", "-d", "2.1", "-f", "json"]);
    let reports: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    // A busy machine can be late for an end by more than a whole interval; it is never early.
    assert!(
        (1..=3).contains(&reports.len()),
        "{} reports",
        reports.len()
    );
    for (number, report) in reports.iter().enumerate() {
        assert_eq!(report["schema"], "numatrace.report/1");
        assert_eq!(report["session"]["interval"], number);
    }
    let seconds: f64 = reports
        .iter()
        .filter_map(|report| report["session"]["duration_s"].as_f64())
        .sum();
    assert!((2.0..30.0).contains(&seconds), "{seconds} s in all");
    assert_eq!(reports.last().unwrap()["session"]["ended_by"], "duration");
}

#[test]
fn intervals_of_text_stand_one_after_the_other() {
    let text = output(&["-q", "-i", "500ms", "-d", "1", "--audit-only"]);
    let headers = text.matches("numatrace trace: ").count();
    assert!((1..=2).contains(&headers), "{text}");
    assert_eq!(text.matches("Audit: ").count(), headers);
    assert!(text.contains("interval 0"), "{text}");
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_session() {
    let mut tracer = trace(&["-q", "-i", "200ms", "-f", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let ended = Watch::on(tracer.id()).unwrap();
    let mut reader = BufReader::new(tracer.stdout.take().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    serde_json::from_str::<Value>(&line).unwrap();
    drop(reader);
    assert!(
        ended.within(DEADLINE).unwrap(),
        "it goes on without a reader"
    );
    assert_eq!(tracer.wait().unwrap().code(), Some(0));
}

#[test]
fn intervals_too_short_to_count_in_are_refused() {
    let output = Running::start(&mut trace(&["-i", "1ms"]))
        .unwrap()
        .finish(DEADLINE)
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stderr.contains("100 ms"), "{output:?}");
}
