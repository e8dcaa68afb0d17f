//! Our own system calls: no file outside the list of docs/security.md is opened, no program is
//! started but the command and our own reader, and no network is used.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use numatrace_tests::harness::calls::{self, Call, Kind};
use numatrace_tests::harness::programs;

const PAGE: &str = include_str!("../../docs/security.md");
/// The heading above the list.
const HEADING: &str = "## The files that it opens";

/// Returns the paths of the list: in the first column of the table, between backticks.
fn listed() -> Vec<&'static str> {
    let (_, rest) = PAGE.split_once(HEADING).expect("the list has its heading");
    let part = rest.split("\n## ").next().unwrap_or(rest);
    let rows = part.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect()
}

/// Returns whether a path is one of a pattern: `PID` is a number or `self`, `N` a number, `*` a
/// part of a name, and `**` anything.
fn fits(pattern: &str, path: &str) -> bool {
    let digits = |path: &str| path.bytes().take_while(u8::is_ascii_digit).count();
    if let Some(rest) = pattern.strip_prefix("**") {
        return (0..=path.len()).any(|at| path.is_char_boundary(at) && fits(rest, &path[at..]));
    }
    if let Some(rest) = pattern.strip_prefix('*') {
        let name = path.split('/').next().unwrap_or(path).len();
        return (0..=name).any(|at| path.is_char_boundary(at) && fits(rest, &path[at..]));
    }
    if let Some(rest) = pattern.strip_prefix("PID") {
        let this = ["self", "thread-self"].into_iter();
        let mut this = this.filter_map(|name| path.strip_prefix(name));
        let number = digits(path);
        return this.any(|after| fits(rest, after)) || (number > 0 && fits(rest, &path[number..]));
    }
    // A number stands behind a name or a slash, never inside of a word.
    if let Some(rest) = pattern.strip_prefix('N')
        && !rest.starts_with(|next: char| next.is_alphanumeric())
    {
        let number = digits(path);
        return number > 0 && fits(rest, &path[number..]);
    }
    match (pattern.chars().next(), path.chars().next()) {
        (None, None) => true,
        (Some(wanted), Some(found)) if wanted == found => {
            fits(&pattern[wanted.len_utf8()..], &path[found.len_utf8()..])
        }
        _ => false,
    }
}

/// Runs numatrace and returns its calls.
fn calls_of(args: &[&str], command: &Path) -> Vec<Call> {
    let numatrace = programs::numatrace().unwrap().canonicalize().unwrap();
    let (calls, status) = calls::of(&numatrace, args, command).unwrap();
    assert!(status.success(), "{args:?}: {status}");
    calls
}

/// Holds calls against the list; returns the patterns that were used.
fn checked(args: &[&str], calls: &[Call], folder: &Path, command: &Path) -> BTreeSet<&'static str> {
    let listed = listed();
    let mut used = BTreeSet::new();
    let mut wrong = BTreeSet::new();
    let numatrace = programs::numatrace().unwrap().canonicalize().unwrap();
    let ours = |path: &Path| path == Path::new("/proc/self/exe") || path == numatrace;
    for Call {
        kind, path, done, ..
    } in calls
    {
        let name = path.to_string_lossy().replace("//", "/");
        let allowed = match kind {
            Kind::Network | Kind::Other => false,
            Kind::Exec => ours(path) || path == command || !done,
            // A traced program's own files, without links.
            Kind::OpenBelow => true,
            Kind::Open if path.starts_with(folder) => true,
            Kind::Open => {
                let fitting = listed.iter().filter(|pattern| fits(pattern, &name));
                let before = used.len();
                let count = fitting.map(|pattern| used.insert(*pattern)).count();
                count > 0 || used.len() > before
            }
        };
        if !allowed {
            wrong.insert(format!("{kind:?} {name}"));
        }
    }
    assert!(wrong.is_empty(), "{args:?}: not in the list: {wrong:#?}");
    used
}

#[test]
fn sessions_reach_nothing_but_what_the_security_page_lists() {
    assert!(listed().len() > 20, "{:?}", listed());
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (report, recording, lines) = (at("report"), at("recording"), at("lines"));
    let command = programs::workload().unwrap().canonicalize().unwrap();
    let load = command.to_string_lossy().into_owned();
    let load: Vec<&str> = vec!["--", &load, "touch", "--mib", "8"];
    let mut used = BTreeSet::new();
    for (args, runs) in [
        (vec!["trace", "-q", "-f", "json", "-o", &report], true),
        (vec!["record", "-q", "-o", &recording], true),
        (vec!["trace", "-q", "-d", "1", "-o", &report], false),
        (vec!["report", "-q", "-o", &report, &recording], false),
        (vec!["events", "-q", "-d", "1", "-o", &lines], false),
    ] {
        let mut args = args.clone();
        if runs {
            args.extend(&load);
        }
        let calls = calls_of(&args, &command);
        used.extend(checked(&args, &calls, folder.path(), &command));
        let execs = calls
            .iter()
            .filter(|call| call.kind == Kind::Exec && call.done);
        let commands = execs.filter(|call| call.path == command).count();
        assert_eq!(commands, usize::from(runs), "{args:?}: {calls:?}");
        assert!(
            calls.iter().any(|call| call.kind == Kind::Open),
            "{args:?}: nothing was seen"
        );
    }
    for certain in [
        "/proc/PID/stat",
        "/proc/kallsyms",
        "/sys/kernel/btf/vmlinux",
    ] {
        assert!(used.contains(certain), "{certain}: {used:#?}");
    }
}

#[test]
fn a_pattern_fits_what_it_says_and_nothing_else() {
    for (pattern, path) in [
        ("/proc/PID/stat", "/proc/17/stat"),
        ("/proc/PID/stat", "/proc/self/stat"),
        ("/proc/PID/task/N/stat", "/proc/1/task/22/stat"),
        (
            "/sys/devices/system/node/nodeN",
            "/sys/devices/system/node/node12",
        ),
        (
            "/sys/fs/cgroup/**memory.max",
            "/sys/fs/cgroup/a/b/memory.max",
        ),
        ("/sys/class/*", "/sys/class/net"),
    ] {
        assert!(fits(pattern, path), "{pattern} {path}");
    }
    for (pattern, path) in [
        ("/proc/PID/stat", "/proc/17/status"),
        ("/proc/PID/stat", "/proc/x/stat"),
        ("/proc/PID/stat", "/proc/17/../stat"),
        ("/sys/class/*", "/sys/class/net/eth0"),
        (
            "/sys/devices/system/node/nodeN",
            "/sys/devices/system/node/node",
        ),
        ("/proc/kallsyms", "/proc/kallsyms2"),
    ] {
        assert!(!fits(pattern, path), "{pattern} {path}");
    }
    // The list names no tree as a whole.
    for path in ["/etc/shadow", "/root/.ssh/id", "/proc/17/mem", "/dev/sda"] {
        let path = PathBuf::from(path);
        let name = path.to_string_lossy();
        assert!(
            !listed().iter().any(|pattern| fits(pattern, &name)),
            "{name}"
        );
    }
}
