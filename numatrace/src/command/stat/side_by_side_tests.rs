//! Claims about numastat, checked against it: both read the same frozen files and must print the
//! same numbers.
//!
//! numastat always reads /sys and /proc, so it runs in a mount namespace where the fixture lies
//! over them; that needs root. `NUMASTAT` names the program (default: the one in PATH). Without
//! either the tests say so and pass.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use super::run;
use crate::cli::stat::StatArgs;
use crate::enrich::topology::fixture::{self, Spec, spec, write};

/// A table as numbers: row name to values, after the header line that starts the data.
type Rows = BTreeMap<String, Vec<String>>;

/// The rows that end in as many numbers as there are nodes and a total; names may contain spaces.
fn rows(text: &str, columns: usize) -> Rows {
    let mut rows = Rows::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(split) = words.len().checked_sub(columns).filter(|&split| split > 0) else {
            continue;
        };
        let (name, values) = words.split_at(split);
        if values.iter().all(|value| value.parse::<f64>().is_ok()) && name.join(" ") != "Node" {
            rows.insert(
                name.join(" "),
                values.iter().map(ToString::to_string).collect(),
            );
        }
    }
    rows
}

fn numastat() -> String {
    std::env::var("NUMASTAT").unwrap_or_else(|_| "numastat".to_owned())
}

/// Runs numastat over the fixture; `None` when this machine cannot.
fn theirs(tree: &Path, pid: Option<u32>, options: &[&str]) -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("left out: laying a fixture over /sys needs root");
        return None;
    }
    if Command::new(numastat())
        .arg("-V")
        .stdout(Stdio::null())
        .status()
        .is_err()
    {
        eprintln!("left out: no numastat here (package numactl, or NUMASTAT=PATH)");
        return None;
    }
    let nodes = "sys/devices/system/node";
    let mut script = format!("mount --bind {}/{nodes} /{nodes}", tree.display());
    if let Some(pid) = pid {
        script += &format!(
            " && mount --bind {}/proc/{pid}/numa_maps /proc/{pid}/numa_maps",
            tree.display()
        );
    }
    script += &format!(" && exec {} {}", numastat(), options.join(" "));
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(text)
}

fn ours(tree: &Path, args: &StatArgs) -> String {
    let mut out = Vec::new();
    run(args, tree, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// A machine whose every number differs, counters and memory rows included.
fn machine(specs: &[Spec]) -> tempfile::TempDir {
    let tree = fixture::tree(specs);
    for (position, spec) in specs.iter().enumerate() {
        let node = tree
            .path()
            .join(format!("sys/devices/system/node/node{}", spec.node));
        let base = 1_000_003 * (position as u64 + 1);
        let counters = [
            ("numa_hit", base),
            ("numa_miss", base / 7),
            ("numa_foreign", base / 11),
            ("interleave_hit", 1143),
        ];
        let mut text: Vec<String> = counters
            .iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        text.push(format!("local_node {}", base / 3));
        text.push(format!("other_node {}", base + base / 7 - base / 3));
        write(&node.join("numastat"), &text.join("\n"));
        let n = spec.node;
        let mut text = format!(
            "Node {n} MemTotal:  {} kB\nNode {n} MemFree: {} kB\n",
            spec.mem_kb,
            spec.mem_kb / 3
        );
        text += &format!(
            "Node {n} Active(anon):  {} kB\nNode {n} SwapCached: 12 kB\n",
            base % 99_991
        );
        text += &format!("Node {n} HugePages_Total:  {n}\nNode {n} HugePages_Free:  1");
        write(&node.join("meminfo"), &text);
        for (file, pages) in [
            ("nr_hugepages", u64::from(n)),
            ("free_hugepages", 1),
            ("surplus_hugepages", 0),
        ] {
            write(
                &node.join("hugepages/hugepages-2048kB").join(file),
                &pages.to_string(),
            );
        }
    }
    write(
        &tree.path().join("proc/meminfo"),
        "Hugepagesize:       2048 kB",
    );
    write(&tree.path().join("proc/sys/vm/numa_stat"), "1");
    tree
}

fn machines() -> Vec<Vec<Spec>> {
    vec![
        fixture::uniform(1, 2),
        fixture::uniform(2, 2),
        fixture::uniform(4, 2),
        fixture::uniform(64, 1),
        vec![
            spec(0, &[0, 1], 508_123),
            spec(1, &[2], 0),
            spec(2, &[], 77_777),
        ],
        vec![spec(0, &[0], 0), spec(5, &[3], 4096), spec(9, &[], 2048)],
    ]
}

#[test]
fn counters_are_numastats() {
    for specs in machines() {
        let tree = machine(&specs);
        let nodes = specs.len();
        let Some(theirs) = theirs(tree.path(), None, &[]) else {
            return;
        };
        let ours = rows(&ours(tree.path(), &StatArgs::default()), nodes + 1);
        let without_total: Rows = ours
            .into_iter()
            .map(|(name, values)| (name, values[..nodes].to_vec()))
            .collect();
        let wanted = rows(&theirs, nodes);
        assert_eq!(wanted.len(), 6, "{theirs}");
        assert_eq!(without_total, wanted);
    }
}

#[test]
fn megabytes_and_memory_rows_are_numastats() {
    for specs in machines() {
        let tree = machine(&specs);
        let args = StatArgs {
            numastat: true,
            ..StatArgs::default()
        };
        for (args, options, least) in [
            (args.clone(), &["-n"][..], 6),
            (
                StatArgs {
                    compact: true,
                    ..args.clone()
                },
                &["-nc"],
                6,
            ),
            (
                StatArgs {
                    numastat: false,
                    meminfo: true,
                    ..args
                },
                &["-m"],
                4,
            ),
        ] {
            let Some(theirs) = theirs(tree.path(), None, options) else {
                return;
            };
            let wanted = rows(&theirs, specs.len() + 1);
            assert!(wanted.len() >= least, "{theirs}");
            let ours_text = ours(tree.path(), &args);
            let ours = rows(&ours_text, specs.len() + 1);
            for (name, values) in &wanted {
                assert_eq!(
                    ours.get(name),
                    Some(values),
                    "row {name}\n{ours_text}\n{theirs}"
                );
            }
        }
    }
}

#[test]
fn a_process_is_numastats() {
    let specs = fixture::uniform(2, 2);
    let tree = machine(&specs);
    // Any process will do: its numa_maps are ours.
    let mut child = Command::new("sleep")
        .arg("100")
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let pid = child.id();
    let maps = r"00400000 default file=/bin/sleep mapped=7 active=5 N0=4 N1=3 kernelpagesize_kB=4
01e48000 default heap anon=33 dirty=33 N1=33 kernelpagesize_kB=4
7f0000000000 bind:1 anon=51200 dirty=51200 active=0 N0=1 N1=51199 kernelpagesize_kB=4
7f1000000000 interleave:0-1 file=/anon_hugepage\040(deleted) huge anon=7 dirty=7 N0=4 N1=3 kernelpagesize_kB=2048
7f2000000000 default file=/SYSV00000000\040(deleted) mapped=9 mapmax=2 N0=9 kernelpagesize_kB=4
7ffe5c000000 default stack anon=3 dirty=3 N0=3 kernelpagesize_kB=4
7ffe5d000000 default";
    let proc = tree.path().join(format!("proc/{pid}"));
    write(&proc.join("numa_maps"), maps);
    write(&proc.join("comm"), "sleep");
    let args = StatArgs {
        pids: vec![pid.to_string().into()],
        ..StatArgs::default()
    };
    let ours_text = ours(tree.path(), &args);
    let theirs = theirs(tree.path(), Some(pid), &["-p", &pid.to_string()]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(rows(&ours_text, 3)["Huge"], ["8.00", "6.00", "14.00"]);
    let Some(theirs) = theirs else { return };
    let without_warnings: Vec<&str> = theirs
        .lines()
        .filter(|line| !line.starts_with("Token "))
        .map(str::trim_end)
        .collect();
    let lines: Vec<&str> = ours_text.lines().collect();
    let (same, more) = lines.split_at(without_warnings.len());
    assert_eq!(
        same, without_warnings,
        "one process: the whole text of numastat comes first"
    );
    assert!(
        more.iter()
            .all(|line| line.starts_with("Placement mismatch")),
        "{more:?}"
    );
}

#[test]
fn a_live_process_and_quiet_memory_rows_are_numastats() {
    if Command::new(numastat())
        .arg("-V")
        .stdout(Stdio::null())
        .status()
        .is_err()
    {
        eprintln!("left out: no numastat here");
        return;
    }
    let theirs = |options: &[&str]| {
        String::from_utf8(
            Command::new(numastat())
                .args(options)
                .output()
                .unwrap()
                .stdout,
        )
        .unwrap()
    };
    let columns = theirs(&[])
        .lines()
        .next()
        .unwrap()
        .split_whitespace()
        .count()
        + 1;

    // A child that waits for its stdin does nothing to its memory once it has started.
    let mut child = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let pid = child.id().to_string();
    let args = StatArgs {
        pids: vec![pid.as_str().into()],
        ..StatArgs::default()
    };
    let mut readings = (0..50).map(|_| {
        (
            theirs(&["-p", &pid]),
            ours(Path::new("/"), &args),
            theirs(&["-p", &pid]),
        )
    });
    let quiet = readings.find(|(before, _, after)| {
        before == after
            && rows(before, columns)["Total"]
                .last()
                .is_some_and(|mb| mb != "0.00")
    });
    let (wanted, ours_text, _) = quiet.expect("a child that waits comes to rest");
    assert_eq!(
        rows(&ours_text, columns),
        rows(&wanted, columns),
        "{ours_text}{wanted}"
    );
    child.kill().unwrap();
    child.wait().unwrap();

    // numastat is itself a process with memory, so rows of the live machine differ by as much; the
    // frozen files are exact.
    const OWN_MB: f64 = 8.0;
    let args = StatArgs {
        meminfo: true,
        ..StatArgs::default()
    };
    let texts = [
        theirs(&["-m"]),
        ours(Path::new("/"), &args),
        theirs(&["-m"]),
    ];
    let [before, ours, after] = texts.map(|text| rows(&text, columns));
    assert_eq!(ours["MemTotal"], before["MemTotal"]);
    assert!(before.len() > 10, "{before:?}");
    for (name, before) in &before {
        for (node, before) in before.iter().enumerate() {
            let [before, ours, after] = [before, &ours[name][node], &after[name][node]]
                .map(|mb| mb.parse::<f64>().unwrap());
            let between = before.min(after) - OWN_MB..=before.max(after) + OWN_MB;
            assert!(
                between.contains(&ours),
                "{name}: {ours} is not in {between:?}"
            );
        }
    }
}

#[test]
fn this_machines_counters_lie_between_two_of_numastats() {
    let Ok(before) = Command::new(numastat()).output() else {
        eprintln!("left out: no numastat here");
        return;
    };
    let columns = String::from_utf8_lossy(&before.stdout)
        .lines()
        .next()
        .unwrap()
        .split_whitespace()
        .count();
    let ours = ours(Path::new("/"), &StatArgs::default());
    let after = Command::new(numastat()).output().unwrap();
    let [before, after] =
        [before, after].map(|output| rows(&String::from_utf8(output.stdout).unwrap(), columns));
    let ours = rows(&ours, columns + 1);
    assert_eq!(before.len(), 6);
    for (name, before) in &before {
        for (node, before) in before.iter().enumerate() {
            let number = |text: &str| text.parse::<u64>().unwrap();
            let between = number(before)..=number(&after[name][node]);
            assert!(
                between.contains(&number(&ours[name][node])),
                "{name} {between:?} {}",
                ours[name][node]
            );
        }
    }
}
