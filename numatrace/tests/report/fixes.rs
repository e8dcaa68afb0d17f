//! Fixes do what they say: commands are whole, replace the placement that was there, and name
//! nothing that is not there.

use numatrace::ids::Tid;
use numatrace::model::finding::diagnose;
use numatrace::model::{
    Bind, BindWhat, Finding, Fix, FixKind, MappingKind, Name, PerNode, Snapshot, Thread,
};
use numatrace::output::text::{TextOptions, render};

use crate::fixture;
use crate::fixture::memory::{found, region, with};

/// The finding about a policy on node 1 of a program that runs on node 0.
fn policy(snapshot: &Snapshot) -> Finding {
    found(snapshot, "remote-by-policy").unwrap_or_else(|| panic!("{:#?}", diagnose(snapshot)))
}

fn commands(finding: &Finding) -> Vec<&str> {
    let all = finding.fixes.iter().flat_map(|fix| &fix.commands);
    all.map(String::as_str).collect()
}

fn of_kind(finding: &Finding, kind: FixKind) -> Vec<&Fix> {
    let fixes = finding.fixes.iter();
    fixes.filter(|fix| fix.kind == kind).collect()
}

fn launched(words: &[&str]) -> Snapshot {
    let mut snapshot = fixture::two_nodes();
    snapshot.session.scope.launched = words.iter().map(|&word| word.into()).collect();
    snapshot
}

/// The launched program with a thread that was bound.
fn bound(words: &[&str], what: BindWhat, after_ns: u64) -> Snapshot {
    let mut snapshot = launched(words);
    let mut thread = Thread::new(Tid(4242), "postgres");
    thread.binds = vec![Bind {
        what,
        time_ns: 9,
        after_ns,
        range: None,
    }];
    snapshot.processes[0].threads = vec![thread];
    snapshot
}

#[test]
fn the_numactl_of_the_launched_command_is_replaced() {
    for prefix in [
        &["numactl", "--cpunodebind=0", "--membind=1"][..],
        &["/usr/bin/numactl", "-N", "0", "-m1", "--"],
        &["taskset", "-c", "0-1", "numactl", "--membind=1"],
    ] {
        let words = [prefix, &["nw", "a b", "it's"]].concat();
        let finding = policy(&launched(&words));
        let commands = commands(&finding);
        let program = r"nw 'a b' 'it'\''s'";
        assert_eq!(
            commands[0],
            format!("numactl --cpunodebind=1 --membind=1 {program}")
        );
        assert!(
            commands
                .iter()
                .all(|line| line.matches("numactl").count() < 2),
            "{commands:?}"
        );
        // The way without the policy keeps the CPUs.
        let cpus = if words[0] == "taskset" {
            "--physcpubind=0-1"
        } else {
            "--cpunodebind=0"
        };
        let local = format!("numactl {cpus} --localalloc {program}");
        assert!(commands.contains(&local.as_str()), "{commands:?}");
    }
}

#[test]
fn a_numactl_that_cannot_be_replaced_is_not_wrapped() {
    for words in [
        &["sh", "-c", "numactl --membind=1 nw"][..],
        &["env", "A=b", "numactl", "--membind=1", "nw"],
        &["numactl", "--no-such-option", "nw"],
    ] {
        let finding = policy(&launched(words));
        assert!(commands(&finding)[0].ends_with(" COMMAND"), "{finding:#?}");
        assert!(finding.fix.contains("instead of those that are in it"));
    }
}

#[test]
fn a_program_that_places_itself_gets_the_call_and_no_prefix_that_changes_nothing() {
    let own = bound(&["./app"], BindWhat::MemoryPolicy, 3_000_000);
    let finding = policy(&own);
    let unbind = of_kind(&finding, FixKind::Unbind);
    assert_eq!(unbind.len(), 1, "{finding:#?}");
    assert!(
        unbind[0]
            .text
            .contains("set_mempolicy(2) by thread postgres (4242), 3.0 ms after it started"),
        "{finding:#?}"
    );
    // Its CPUs are free to go to its memory.
    let run = of_kind(&finding, FixKind::RunCommand);
    assert_eq!(run[0].commands, ["numactl --cpunodebind=1 ./app"]);
    assert!(!finding.fix.contains("--membind"), "{finding:#?}");

    let range = policy(&bound(&["./app"], BindWhat::RangePolicy, 3_000_000));
    assert_eq!(of_kind(&range, FixKind::Unbind).len(), 1, "{range:#?}");

    // The numactl that became the program made this call.
    let started = bound(
        &["numactl", "--membind=1", "./app"],
        BindWhat::MemoryPolicy,
        3_000_000,
    );
    let finding = policy(&started);
    assert!(
        of_kind(&finding, FixKind::Unbind).is_empty(),
        "{finding:#?}"
    );
    assert!(finding.fix.contains("--cpunodebind=1 --membind=1 ./app"));
}

#[test]
fn calls_of_before_the_program_began_are_not_its_own() {
    // libnuma tries out modes before numactl sets the one that was asked for.
    let mut own = bound(
        &["numactl", "--membind=1", "./app"],
        BindWhat::MemoryPolicy,
        3_000_000,
    );
    let process = &mut own.processes[0];
    let thread = process
        .threads
        .iter_mut()
        .find(|thread| !thread.binds.is_empty());
    let binds = &mut thread.unwrap().binds;
    let first = binds[0];
    binds.extend([first; 3]);
    let at = |exec_ns| {
        let mut session = own.clone();
        session.processes[0].exec_ns = Some(exec_ns);
        of_kind(&policy(&session), FixKind::Unbind).len()
    };
    assert_eq!(at(first.time_ns + 1), 0);
    assert_eq!(at(first.time_ns), 1, "the program's own call");
}

#[test]
fn threads_that_bind_themselves_are_not_bound_by_a_prefix() {
    let mut own = bound(&["./app"], BindWhat::Affinity, 3_000_000);
    fixture::resident(
        &mut own.processes[0],
        &[100_000_000, 900_000_000],
        &[16_384, 0],
        &[16_384, 0],
    );
    own.processes[0].alloc = None;
    let finding =
        found(&own, "ran-away-from-memory").unwrap_or_else(|| panic!("{:#?}", diagnose(&own)));
    assert_eq!(of_kind(&finding, FixKind::Unbind).len(), 1, "{finding:#?}");
    assert!(
        of_kind(&finding, FixKind::RunCommand).is_empty(),
        "{finding:#?}"
    );

    // Of several calls the first is named, whichever thread it is of.
    let mut earlier = own.processes[0].threads[0].clone();
    earlier.tid = Tid(4243);
    earlier.comm = "worker".into();
    earlier.binds[0].time_ns -= 1;
    earlier.binds[0].after_ns = 2_000_000;
    own.processes[0].threads.push(earlier);
    let finding = found(&own, "ran-away-from-memory").unwrap();
    let text = &of_kind(&finding, FixKind::Unbind)[0].text;
    let first = "(sched_setaffinity(2) by thread worker (4243), 2.0 ms after it started)";
    assert!(text.contains(first), "{text}");
}

#[test]
fn arguments_are_repeated_and_missing_ones_are_visible() {
    let with = |args: Option<&[&str]>, cut: bool| {
        let mut snapshot = fixture::two_nodes();
        let process = &mut snapshot.processes[0];
        process.exe = Some("/usr/lib/jvm/bin/java".into());
        process.args = args.map(|args| args.iter().map(|&arg| Name::from(arg)).collect());
        process.args_cut = cut.then_some(true);
        let finding = policy(&snapshot);
        (commands(&finding)[0].to_owned(), finding.fix)
    };
    let start = "numactl --cpunodebind=1 --membind=1 /usr/lib/jvm/bin/java";
    let java = ["java", "-Xmx4g", "-jar", "my app.jar"];
    let (command, _) = with(Some(&java), false);
    assert_eq!(command, format!("{start} -Xmx4g -jar 'my app.jar'"));
    let (command, _) = with(Some(&java), true);
    assert_eq!(
        command,
        format!("{start} -Xmx4g -jar 'my app.jar' ARGUMENTS…")
    );
    for unknown in [None, Some(&["postgres: walwriter"][..])] {
        let (command, fix) = with(unknown, false);
        assert_eq!(command, format!("{start} ARGUMENTS…"));
        assert!(fix.contains("ARGUMENTS… stands for its arguments"), "{fix}");
    }
    // One executable with many names.
    let (command, _) = with(Some(&["/bin/python3", "x.py"]), false);
    assert_eq!(
        command,
        "numactl --cpunodebind=1 --membind=1 /bin/python3 x.py"
    );
}

#[test]
fn services_and_containers_are_placed_while_they_run() {
    let with = |cgroup: &str| {
        let mut snapshot = fixture::two_nodes();
        snapshot.processes[0].cgroup = Some(cgroup.into());
        policy(&snapshot)
    };
    let service = with("/system.slice/postgresql@16-main.service");
    let fix = of_kind(&service, FixKind::Service)[0];
    assert_eq!(
        fix.commands,
        [
            "systemctl set-property --runtime postgresql@16-main.service AllowedMemoryNodes=1 \
          AllowedCPUs=2-3"
        ]
    );
    for line in ["NUMAPolicy=bind", "NUMAMask=1", "CPUAffinity=numa"] {
        assert!(fix.text.contains(line), "{fix:#?}");
    }
    let id = "0123456789abcdef".repeat(4);
    let container = with(&format!("/system.slice/docker-{id}.scope"));
    assert_eq!(
        of_kind(&container, FixKind::Container)[0].commands,
        ["docker update --cpuset-cpus=2-3 --cpuset-mems=1 0123456789ab"]
    );
}

#[test]
fn nothing_is_moved_of_a_process_that_has_ended() {
    for (ended, moves) in [(None, 1), (Some(false), 1), (Some(true), 0)] {
        let mut snapshot = fixture::two_nodes();
        snapshot.processes[0].ended = ended;
        let finding = policy(&snapshot);
        assert_eq!(
            of_kind(&finding, FixKind::MovePages).len(),
            moves,
            "{ended:?}: {finding:#?}"
        );
        assert_eq!(finding.fix.contains("migratepages"), moves == 1);
    }
}

#[test]
fn nodes_that_lack_what_is_bound_to_are_left_out() {
    let mut snapshot = fixture::two_nodes();
    snapshot.host.nodes[1].cpus.clear();
    let finding = policy(&snapshot);
    assert!(!finding.fix.contains("--cpunodebind=1"), "{finding:#?}");
    let mut snapshot = fixture::settled();
    snapshot.host.nodes[0].mem_kb = Some(0);
    for finding in diagnose(&snapshot) {
        for node in ["--membind=0", "migratepages 4242 1 0"] {
            assert!(!finding.fix.contains(node), "{finding:#?}");
        }
    }
    for (name, snapshot) in fixture::all() {
        for finding in diagnose(&snapshot) {
            for command in commands(&finding) {
                assert!(!command.contains("= "), "{name}: {command}");
            }
        }
    }
}

#[test]
fn a_finding_has_a_fix_even_where_nothing_can_be_started_or_moved() {
    let mut snapshot = fixture::settled();
    for node in &mut snapshot.host.nodes {
        node.mem_kb = Some(0);
    }
    let findings = diagnose(&snapshot);
    assert!(!findings.is_empty());
    for finding in findings {
        assert!(
            !finding.fix.is_empty() && !finding.fixes.is_empty(),
            "{finding:#?}"
        );
    }
}

/// Returns the finding about a file of which a running process uses pages on a different node.
fn cached(path: &str, file_system: Option<&str>) -> Finding {
    let mut file = region();
    file.name = path.into();
    file.kind = MappingKind::File;
    file.surprise_pages = Some(0);
    file.residency = Some(PerNode(vec![2_000, 48]));
    file.file_system = file_system.map(str::to_owned);
    let mut snapshot = with(vec![file]);
    snapshot.processes[0].run_ns = Some(PerNode(vec![100, 900]));
    let id = if path.ends_with(" text") {
        "shared-text-remote"
    } else {
        "page-cache-filled-elsewhere"
    };
    found(&snapshot, id).unwrap()
}

#[test]
fn a_file_in_the_wrong_page_cache_is_named_in_the_commands() {
    let dropped = [
        "sync '/data/my table'",
        "dd 'if=/data/my table' iflag=nocache count=0",
        "numactl --cpunodebind=1 cat '/data/my table' >/dev/null",
        "numatrace stat --file '/data/my table'",
    ];
    let moved = "migratepages 4242 0 1";
    for file_system in [Some("ext4"), None] {
        let finding = cached("/data/my table", file_system);
        let commands = commands(&finding);
        assert_eq!(commands.split_first(), Some((&moved, &dropped[..])));
        let says_both = finding.fix.contains("on tmpfs nothing drops it");
        assert_eq!(says_both, file_system.is_none(), "{finding:#?}");
    }
    for path in ["/data/table (deleted)", "/data/a\nb"] {
        assert_eq!(commands(&cached(path, None)), [moved], "{path}");
    }
    assert_eq!(
        commands(&cached("/data/my table text", Some("xfs"))),
        dropped
    );
}

#[test]
fn a_file_without_a_disk_is_copied_and_not_dropped() {
    let copied = [
        "migratepages 4242 0 1",
        "numactl --membind=1 cp -p '/my table' '/my table.new'",
        "mv '/my table.new' '/my table'",
        "numatrace stat --file '/my table'",
    ];
    let finding = cached("/my table", Some("tmpfs"));
    assert_eq!(commands(&finding), copied);
    assert!(finding.fix.contains("mpol=bind:1"), "{finding:#?}");
    let finding = cached("/my table", Some("ramfs"));
    assert_eq!(commands(&finding), copied);
    assert!(!finding.fix.contains("mpol="), "{finding:#?}");
}

#[test]
fn every_command_is_whole_in_the_text_whatever_its_width() {
    let mut snapshot = launched(&["nw", "--list=1,2,3", "--of=the longest list of words", "-x"]);
    snapshot.findings = diagnose(&snapshot);
    let expected: Vec<String> = snapshot
        .findings
        .iter()
        .flat_map(|finding| finding.fixes.iter().flat_map(|fix| fix.commands.clone()))
        .collect();
    assert!(expected.len() > 1, "{expected:?}");
    for width in [None, Some(80), Some(40)] {
        let options = TextOptions {
            width,
            ..TextOptions::default()
        };
        let text = render(&snapshot, &options).replace(" \\\n", " ");
        let lines: Vec<String> = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        for command in &expected {
            assert!(lines.contains(command), "{width:?}: {command}\n{text}");
        }
    }
}
