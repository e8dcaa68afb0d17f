//! `numatrace top` on a terminal of its own: its screens agree with its report, and it leaves the
//! terminal as it found it.

use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use numatrace_tests::harness::{programs, terminal::OnTerminal, tracer::DEADLINE};
use serde_json::Value;

fn top(args: &[&str]) -> Command {
    let mut command = Command::new(programs::numatrace().unwrap());
    command.arg("top").args(args);
    command
}

/// The first frame takes a whole start and an interval, and several tests may run at once.
const START: Duration = Duration::from_secs(3 * DEADLINE.as_secs());

/// Starts `top` and waits for its first frame.
fn opened(command: &mut Command, rows: u16, columns: u16) -> OnTerminal {
    let screen = OnTerminal::start(command, rows, columns).unwrap();
    screen
        .wait_for("a first look", START, |shown| shown.contains("audit "))
        .unwrap();
    screen
}

#[test]
fn the_terminal_is_as_before_after_q_control_c_and_signals() {
    type Ends = fn(&mut OnTerminal) -> anyhow::Result<()>;
    let ways: [(&str, Ends); 7] = [
        ("q", |screen| screen.press("q")),
        ("Ctrl-C", |screen| screen.press("\x03")),
        ("SIGTERM", |screen| screen.signal(Signal::SIGTERM)),
        ("SIGHUP", |screen| screen.signal(Signal::SIGHUP)),
        ("SIGQUIT", |screen| screen.signal(Signal::SIGQUIT)),
        ("SIGUSR1", |screen| screen.signal(Signal::SIGUSR1)),
        ("SIGXCPU", |screen| screen.signal(Signal::SIGXCPU)),
    ];
    for (way, end) in ways {
        let mut screen = opened(&mut top(&[]), 24, 80);
        end(&mut screen).unwrap();
        let left = screen.finish(DEADLINE);
        let left = left.unwrap_or_else(|error| panic!("{way}: {error}"));
        assert!(left.status.success(), "{way}: {:?}", left.status);
        assert!(left.as_before, "{way}: the terminal has other settings");
        assert!(!left.screen.contains("audit"), "{way}: {}", left.screen);
        let written = String::from_utf8_lossy(&left.bytes);
        let at = |text: &str| {
            written
                .rfind(text)
                .unwrap_or_else(|| panic!("{way}: no {text:?}"))
        };
        assert!(at("\x1b[?1049h") < at("\x1b[?1049l"), "{way}");
        assert!(at("\x1b[?25l") < at("\x1b[?25h"), "{way}");
    }
}

#[test]
fn a_panic_gives_the_terminal_back_and_says_where_to_report_it() {
    let mut command = top(&["--inject", "panic=3"]);
    let screen = OnTerminal::start(&mut command, 24, 80).unwrap();
    let left = screen.finish(START).unwrap();
    assert_eq!(left.status.code(), Some(1), "{}", left.screen);
    assert!(left.as_before, "the terminal has other settings");
    let written = String::from_utf8_lossy(&left.bytes);
    let at = |text: &str| written.rfind(text).unwrap_or_else(|| panic!("no {text:?}"));
    assert!(at("\x1b[?1049h") < at("\x1b[?1049l"));
    assert!(at("\x1b[?1049l") < at("please report it"), "{written:?}");
}

#[test]
fn keys_lead_to_views_and_a_larger_terminal_is_filled() {
    let mut screen = opened(&mut top(&[]), 24, 80);
    let mut shows = |key: &str, what: &str| {
        screen.press(key).unwrap();
        screen
            .wait_for(what, DEADLINE, |shown| shown.contains(what))
            .unwrap();
    };
    shows("2", "numa_foreign");
    shows("3", "allocations/s from CPUs");
    shows("m", "touched first");
    shows("4", "moves between nodes");
    shows("1", "total (");
    screen.resize(50, 160).unwrap();
    screen
        .wait_for("more columns", DEADLINE, |shown| {
            shown.lines().any(|line| line.trim_end().len() > 100)
        })
        .unwrap();
    screen.press("q").unwrap();
    assert!(screen.finish(DEADLINE).unwrap().status.success());
}

#[test]
fn no_key_is_lost_while_the_window_changes_its_size() {
    let mut screen = opened(&mut top(&[]), 24, 80);
    let views = [
        ("2", "numa_foreign"),
        ("3", "allocations/s from CPUs"),
        ("1", "total ("),
    ];
    for (round, (key, what)) in views.iter().cycle().take(60).enumerate() {
        let grown = u16::try_from(round % 10).unwrap();
        screen.resize(24 + grown, 80 + grown).unwrap();
        screen.press(key).unwrap();
        screen
            .wait_for(what, DEADLINE, |shown| shown.contains(what))
            .unwrap();
    }
    screen.press("q").unwrap();
    assert!(screen.finish(DEADLINE).unwrap().status.success());
}

#[test]
fn values_on_the_screen_are_those_of_the_report_of_the_same_interval() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("reports.jsonl");
    let mut screen = opened(&mut top(&["-o", log.to_str().unwrap()]), 50, 160);
    // Sorted by CPU time: on a machine with one node nothing is remote.
    screen.press("s").unwrap();
    screen
        .wait_for("the order", DEADLINE, |shown| {
            shown.contains("CPU %: CPU time")
        })
        .unwrap();
    screen.press(" ").unwrap();
    let shown = screen
        .wait_for("that it is held", DEADLINE, |shown| {
            shown.contains("PAUSED")
        })
        .unwrap();
    screen.press("q").unwrap();
    assert!(screen.finish(DEADLINE).unwrap().status.success());
    let reports = std::fs::read_to_string(&log).unwrap();
    let reports: Vec<Value> = reports
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let rows = rows(&shown);
    assert!(!rows.is_empty(), "{shown}");
    let time = |report: &Value| report["session"]["start"].as_str().unwrap()[11..19].to_owned();
    let same: Vec<&Value> = reports
        .iter()
        .filter(|report| shown.contains(&format!("{} UTC", time(report))))
        .collect();
    assert!(!same.is_empty(), "no report of that time: {shown}");
    let breaches: Vec<String> = same
        .iter()
        .filter_map(|report| differs(report, &rows))
        .collect();
    assert!(breaches.len() < same.len(), "{breaches:#?}\n{shown}");
}

#[test]
fn r_records_into_a_file_that_a_report_can_be_made_of() {
    let folder = tempfile::tempdir().unwrap();
    let mut screen = opened(top(&[]).current_dir(folder.path()), 24, 80);
    screen.press("r").unwrap();
    screen
        .wait_for("that it records", START, |shown| {
            shown.contains("recording ") && shown.contains("REC")
        })
        .unwrap();
    screen.press("r").unwrap();
    screen
        .wait_for("that it has recorded", START, |shown| {
            shown.contains("recorded ") && !shown.contains("REC")
        })
        .unwrap();
    screen.press("q").unwrap();
    let left = screen.finish(DEADLINE).unwrap();
    assert!(left.status.success());
    let text = String::from_utf8_lossy(&left.bytes);
    assert!(
        text.contains("to see it: numatrace report numatrace-"),
        "{text}"
    );
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    let [Ok(file)] = files.as_slice() else {
        panic!("not one file: {files:?}");
    };
    let report = Command::new(programs::numatrace().unwrap())
        .args(["report", "-f", "json"])
        .arg(file.path())
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!(report["session"]["command"], "record");
    assert_ne!(
        report["audit"]["verdict"], "failed",
        "{:#}",
        report["audit"]
    );
    assert!(!report["processes"].as_array().unwrap().is_empty());
}

#[test]
fn a_recording_that_cannot_be_written_is_told_and_fails_the_command_but_not_the_screen() {
    // No user can create a file there.
    let mut screen = opened(top(&[]).current_dir("/proc"), 24, 80);
    screen.press("r").unwrap();
    screen
        .wait_for("why not", START, |shown| {
            shown.contains("not recorded: cannot write")
        })
        .unwrap();
    screen.press("2").unwrap();
    screen
        .wait_for("the nodes", DEADLINE, |shown| {
            shown.contains("numa_foreign")
        })
        .unwrap();
    screen.press("q").unwrap();
    let left = screen.finish(DEADLINE).unwrap();
    assert_eq!(left.status.code(), Some(1));
    let text = String::from_utf8_lossy(&left.bytes);
    assert!(text.contains("hint: "), "{text}");
}

#[test]
fn a_recording_that_goes_on_is_whole_when_the_screen_ends() {
    let folder = tempfile::tempdir().unwrap();
    let mut screen = opened(top(&[]).current_dir(folder.path()), 24, 80);
    screen.press("r").unwrap();
    screen
        .wait_for("that it records", START, |shown| shown.contains("REC"))
        .unwrap();
    screen.signal(Signal::SIGTERM).unwrap();
    let left = screen.finish(DEADLINE).unwrap();
    assert!(left.status.success() && left.as_before);
    let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap();
    let report = Command::new(programs::numatrace().unwrap())
        .args(["report", "-f", "json"])
        .arg(file.unwrap().path())
        .output()
        .unwrap();
    // A recording that was cut short says so.
    assert!(
        report.status.success() && report.stderr.is_empty(),
        "{report:?}"
    );
}

/// Returns the rows of processes on a screen: the pid, and the columns behind the name.
fn rows(screen: &str) -> Vec<(u64, Vec<String>)> {
    let lines = screen
        .lines()
        .skip_while(|line| !line.contains("PID process"));
    lines
        .skip(1)
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let pid = words.first()?.parse().ok()?;
            let columns = words.len().checked_sub(COLUMNS)?;
            Some((
                pid,
                words[columns..]
                    .iter()
                    .map(|&word| word.to_owned())
                    .collect(),
            ))
        })
        .collect()
}

/// The number of columns of a wide screen.
const COLUMNS: usize = 10;

/// Returns the first difference between a report and the rows of a screen.
fn differs(report: &Value, rows: &[(u64, Vec<String>)]) -> Option<String> {
    let seconds = report["session"]["duration_s"].as_f64()?;
    let mut last = f64::INFINITY;
    for (pid, columns) in rows {
        let process = report["processes"]
            .as_array()?
            .iter()
            .find(|process| process["pid"] == *pid);
        let Some(process) = process else {
            return Some(format!("{pid} is not in the report"));
        };
        let sum = |at: &str| -> Option<f64> {
            let counts = process.pointer(at)?.as_array()?;
            Some(counts.iter().filter_map(Value::as_f64).sum())
        };
        let local = sum("/alloc/local_node");
        let cpu = sum("/run_ns").map(|ns| ns / 1e7 / seconds);
        let expected = [
            sum("/alloc/other_node").map(|n| n / seconds),
            sum("/alloc/numa_miss").map(|n| n / seconds),
            process["task_moves"]["cross_node"]
                .as_f64()
                .map(|n| n / seconds),
            cpu,
            local
                .zip(sum("/alloc/other_node"))
                .map(|(a, b)| (a + b) / seconds),
        ];
        for (value, column) in expected.iter().zip([2, 7, 5, 1, 9].map(|at| &columns[at])) {
            if !agrees(*value, column) {
                return Some(format!("{pid}: {value:?} is shown as {column}"));
            }
        }
        let cpu = cpu.unwrap_or(0.0);
        if cpu > last {
            return Some(format!("{pid} stands below one with less"));
        }
        last = cpu;
    }
    None
}

/// Returns whether a value is the one shown, as far as the shown digits go.
fn agrees(value: Option<f64>, column: &str) -> bool {
    let Some(value) = value else {
        return column == "-";
    };
    if column == "<0.1" {
        return value > 0.0 && value < 0.051;
    }
    let plain = column.replace(',', "");
    let (digits, unit) = match plain.strip_suffix('k') {
        Some(digits) => (digits, 1e3),
        None => match plain.strip_suffix('M') {
            Some(digits) => (digits, 1e6),
            None => (plain.as_str(), 1.0),
        },
    };
    let Ok(shown) = digits.parse::<f64>() else {
        return false;
    };
    let step = if digits.contains('.') { 0.051 } else { 0.51 };
    (shown * unit - value).abs() <= step * unit
}

#[test]
fn an_end_after_a_time_gives_the_terminal_back_too() {
    // Returns whether a frame came in time: on a slow machine none may.
    let screen = OnTerminal::start(&mut top(&["-d", "3", "-i", "500ms"]), 24, 80).unwrap();
    let left = screen.finish(DEADLINE + Duration::from_secs(3)).unwrap();
    assert!(left.status.success() && left.as_before);
}
