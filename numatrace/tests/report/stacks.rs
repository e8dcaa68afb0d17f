//! Stacks of first touches, in findings and in the text.

use numatrace::model::finding::diagnose;
use numatrace::model::{
    Addr, BalancerVerdict, Balancing, Finding, Frame, HintFaults, MappingMigrations, PerNode,
    RemoteByCause, Scope, Snapshot, Stack, StackPages,
};
use numatrace::output::text::{TextOptions, render};

use crate::fixture;
use crate::fixture::memory::{found, matrix, region, with};

/// One stack: `fill`, called by `init`.
fn stack(id: u32) -> Stack {
    let frame = |symbol: &str, line: &str| Frame {
        symbol: Some(symbol.into()),
        line: Some(line.into()),
        ..Frame::default()
    };
    Stack {
        id,
        frames: vec![frame("fill", "a.c:3"), frame("init", "a.c:2")],
        short: None,
    }
}

/// The memory of the fixtures, touched from stack 0.
fn from_stack() -> Snapshot {
    let mut mapping = region();
    let touch = mapping.first_touch.as_mut().unwrap();
    touch.stacks = vec![0];
    touch.thp = Some(16_384);
    touch.by_stack = vec![StackPages {
        id: 0,
        pages: 16_384,
        remote: 100,
    }];
    touch.remote_by_cause = Some(RemoteByCause {
        policy: 100,
        fallback: 30,
        ..RemoteByCause::default()
    });
    let mut snapshot = with(vec![mapping]);
    snapshot.stacks = vec![stack(0)];
    snapshot
}

fn names_the_function(finding: &Finding) -> bool {
    let text = finding.evidence.join("\n");
    text.contains("touched in fill (a.c:3), called by init (a.c:2)")
}

#[test]
fn findings_about_where_memory_lies_name_the_function_that_touched_it() {
    let mut shared = from_stack();
    shared.processes[0].mappings[0].hint_faults = Some(HintFaults {
        matrix: Some(matrix([[5_000, 0], [4_000, 0]])),
        migrated: Some(0),
    });
    assert!(names_the_function(&found(&shared, "thp-remote").unwrap()));

    let mut policy = from_stack();
    policy.processes[0].alloc = Some(fixture::alloc(&[16_000, 0], &[0, 1_000], |causes| {
        &mut causes.policy
    }));
    let finding = found(&policy, "remote-by-policy").unwrap();
    assert!(names_the_function(&finding), "{finding:#?}");
    let last = finding.evidence.last().unwrap();
    assert!(
        last.starts_with("most in [anon] at 0x7f0000000000 (64.0 MiB), touched in fill"),
        "{last}"
    );

    let mut interleaved = policy;
    let process = &mut interleaved.processes[0];
    let alloc = process.alloc.as_mut().unwrap();
    alloc.interleave_hit = Some(PerNode(vec![8_000, 1_000]));
    process.run_ns = Some(PerNode(vec![1_000, 0]));
    let finding = found(&interleaved, "interleave-mismatch").unwrap();
    assert!(names_the_function(&finding), "{finding:#?}");

    let mut bouncing = from_stack();
    let process = &mut bouncing.processes[0];
    process.mappings[0].page_migrations = Some(MappingMigrations {
        matrix: matrix([[0, 4_096], [4_096, 0]]),
        bounced: 4_096,
    });
    process.balancer = Some(Balancing {
        verdict: Some(BalancerVerdict::Hurting),
        evidence: vec!["it moved 8,192 pages".to_owned()],
        ..Balancing::default()
    });
    let finding = found(&bouncing, "balancer-hurting").unwrap();
    assert!(names_the_function(&finding), "{finding:#?}");

    // No stack was taken of the mapping: nothing is made up.
    let mut without = from_stack();
    without.processes[0].mappings[0]
        .first_touch
        .as_mut()
        .unwrap()
        .stacks
        .clear();
    assert!(!diagnose(&without).iter().any(names_the_function));
}

/// The lines of the list of stacks.
fn list(snapshot: &Snapshot) -> Option<Vec<String>> {
    let text = render(snapshot, &TextOptions::default());
    let at = text.find("First-touch")?;
    let section = text[at..].split("\n\n").next().unwrap();
    Some(section.lines().map(ToOwned::to_owned).collect())
}

#[test]
fn the_stacks_that_touched_most_are_listed_for_the_process_of_the_session_or_for_all() {
    let mut snapshot = from_stack();
    let first = snapshot.processes[0].mappings[0].clone();
    let mut second = first.clone();
    (second.start, second.end) = (Addr(0x7e00_0000_0000), Addr(0x7e00_0100_0000));
    let pages = |id, pages| StackPages {
        id,
        pages,
        remote: 0,
    };
    second.first_touch.as_mut().unwrap().by_stack = (1..7)
        .map(|id| pages(id, 1_000 - u64::from(id)))
        .chain([pages(0, 256)])
        .collect();
    snapshot.processes[0].mappings.push(second);
    snapshot.stacks.push(Stack {
        id: 1,
        frames: vec![Frame {
            module: Some("/usr/bin/app".into()),
            offset: Some(0x1234),
            ..Frame::default()
        }],
        short: None,
    });
    let lines = list(&snapshot).unwrap();
    assert_eq!(
        lines[..3],
        [
            "First-touch stacks of app (4242), most memory first",
            " - 65.0 MiB, 0.4 MiB of it remote: fill (a.c:3), called by init (a.c:2)",
            " - 3.9 MiB, 0 MiB of it remote: /usr/bin/app+0x1234",
        ]
    );
    assert_eq!(lines[6], " and 2 more stacks with 7.8 MiB", "{lines:#?}");

    snapshot.session.scope = Scope::default();
    let lines = list(&snapshot).unwrap();
    assert_eq!(lines[0], "First-touch stacks, most memory first");
    assert!(
        lines[1].starts_with(" - 65.0 MiB, 0.4 MiB of it remote, app (4242): fill"),
        "{lines:#?}"
    );
    assert_eq!(list(&with(vec![region()])), None, "no stacks");
}

#[test]
fn the_function_that_touched_it_is_named_even_if_others_were_inlined() {
    let frame = |symbol: &str, line: &str, inlined| Frame {
        symbol: Some(symbol.into()),
        line: Some(line.into()),
        inlined,
        ..Frame::default()
    };
    let evidence = |frames| {
        let mut mapping = region();
        if let Some(touch) = &mut mapping.first_touch {
            touch.stacks = vec![0];
        }
        let mut snapshot = with(vec![mapping]);
        snapshot.stacks = vec![Stack {
            id: 0,
            frames,
            short: None,
        }];
        format!(
            "{:?}",
            found(&snapshot, "first-touch-elsewhere").unwrap().evidence
        )
    };
    let inlined = evidence(vec![
        frame("store", "atomic.rs:9", true),
        frame("write", "memory.rs:8", true),
        frame("init", "app.rs:7", false),
        frame("main", "app.rs:1", false),
    ]);
    let expected = "touched in store (atomic.rs:9) in init (app.rs:7), called by main (app.rs:1)";
    assert!(inlined.contains(expected), "{inlined}");
    let plain = evidence(vec![
        frame("fill", "a.c:3", false),
        frame("init", "a.c:2", false),
    ]);
    assert!(
        plain.contains("touched in fill (a.c:3), called by init (a.c:2)"),
        "{plain}"
    );
}
