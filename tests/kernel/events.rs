//! `numatrace events` and its readers: readers that stop early, and slow readers.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use numatrace_tests::harness::{
    programs,
    running::{Running, Watch},
    tracer::{DEADLINE, READY},
};
use serde_json::Value;

fn events(args: &[&str]) -> Command {
    let mut command = Command::new(programs::numatrace().unwrap());
    command.arg("events").args(args);
    command
}

#[test]
fn a_reader_that_has_seen_enough_is_a_quiet_end() {
    let mut stream = events(&["-f", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let ended = Watch::on(stream.id()).unwrap();
    let mut reader = BufReader::new(stream.stdout.take().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let first: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(first["schema"], "numatrace.events/1", "{first}");
    drop(reader);
    assert!(
        ended.within(DEADLINE).unwrap(),
        "it goes on without a reader"
    );
    let left = stream.wait_with_output().unwrap();
    assert_eq!(left.status.code(), Some(0));
    let text = String::from_utf8_lossy(&left.stderr);
    assert!(
        !text.contains("error") && !text.contains("panicked"),
        "{text}"
    );
}

#[test]
fn a_reader_that_stops_costs_announced_lines_and_nothing_else() {
    let mut stream = events(&["-f", "json", "--buffer", "50"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let text = lines(stream.stderr.take().unwrap());
    wait_for(&text, READY);
    // Nothing reads, and there are more events than pipe and buffer hold.
    let storm = Running::start(Command::new(programs::workload().unwrap()).args([
        "fork-storm",
        "--count",
        "400",
    ]))
    .unwrap()
    .finish(DEADLINE)
    .unwrap();
    assert!(storm.status.success(), "{storm:?}");
    let mut announced = lost(&wait_for(&text, "the reader was too slow"));
    // Now the test reads on.
    let read = lines(stream.stdout.take().unwrap());
    let ended = Watch::on(stream.id()).unwrap();
    kill(
        Pid::from_raw(i32::try_from(stream.id()).unwrap()),
        Signal::SIGINT,
    )
    .unwrap();
    assert!(ended.within(DEADLINE).unwrap(), "it hangs at its end");
    assert_eq!(stream.wait().unwrap().code(), Some(0));
    announced += text
        .iter()
        .filter(|line| line.contains("too slow"))
        .map(|line| lost(&line))
        .sum::<u64>();
    let lines: Vec<Value> = read
        .iter()
        .map(|line| serde_json::from_str(&line).unwrap())
        .collect();
    let gaps = lines.iter().filter(|line| line["kind"] == "lost");
    let in_stream: u64 = gaps
        .clone()
        .filter(|gap| gap["reason"] == "slow_reader")
        .map(|gap| gap["count"].as_u64().unwrap())
        .sum();
    assert_eq!(
        in_stream, announced,
        "lost lines in the stream and on stderr"
    );
    assert_eq!(
        gaps.filter(|gap| gap["reason"] != "slow_reader").count(),
        0,
        "the ring was read all the time"
    );
    assert!(lines.len() > 50, "{} lines", lines.len());
}

/// Returns the number in an announcement.
fn lost(line: &str) -> u64 {
    let number = line
        .strip_prefix("numatrace: ")
        .and_then(|rest| rest.split(' ').next())
        .unwrap_or_default();
    number.replace(',', "").parse().unwrap()
}

/// Sends the lines of a stream as they come.
fn lines(from: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (into, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if into.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn wait_for(lines: &mpsc::Receiver<String>, text: &str) -> String {
    let mut seen = Vec::new();
    while let Ok(line) = lines.recv_timeout(DEADLINE) {
        if line.contains(text) {
            return line;
        }
        seen.push(line);
    }
    panic!("never wrote {text:?}: {seen:#?}");
}

#[test]
fn a_stream_in_a_file_has_its_header_and_ends_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.txt");
    let left = Running::start(&mut events(&["-d", "1500ms", "-o", file.to_str().unwrap()]))
        .unwrap()
        .finish(DEADLINE + Duration::from_secs(2))
        .unwrap();
    assert!(left.status.success(), "{left:?}");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut lines = text.lines();
    assert!(lines.next().unwrap().starts_with("TIME (UTC)"), "{text}");
    assert!(lines.any(|line| line.contains(" alloc ")), "{text}");
}

#[test]
fn only_what_is_asked_for_is_told() {
    let left = Running::start(&mut events(&[
        "-d",
        "1500ms",
        "-f",
        "json",
        "--kind",
        "alloc",
        "--min-pages",
        "2",
    ]))
    .unwrap()
    .finish(DEADLINE + Duration::from_secs(2))
    .unwrap();
    assert!(left.status.success(), "{left:?}");
    let lines: Vec<Value> = left
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(lines.len() > 1, "{left:?}");
    for line in &lines[1..] {
        assert_eq!(line["kind"], "alloc", "{line}");
        assert!(line["pages"].as_u64().unwrap() >= 2, "{line}");
    }
    // Hooks that `events` does not need are not attached.
    let hooks = lines[0]["hooks"].as_array().unwrap();
    let moves = hooks
        .iter()
        .find(|hook| hook["hook"] == "task_move")
        .unwrap();
    assert_eq!(moves["state"], "absent", "{moves}");
}
