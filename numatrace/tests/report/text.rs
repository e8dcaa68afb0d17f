//! The text of a report: whole pages as snapshots, and claims that hold for every page.

use numatrace::ids::{NodeId, Pid, Tid};
use numatrace::model::diff::Diff;
use numatrace::model::quantity::headers::is_known;
use numatrace::model::section::{Section, Sections};
use numatrace::model::{Incident, MoveReason, Snapshot};
use numatrace::output::text::{TextOptions, render, render_audit};
use numatrace::output::{diff, escape};
use unicode_width::UnicodeWidthStr as _;

use crate::{before_after, fixture};

/// A terminal of eighty columns; tables have ten rows of processes.
fn terminal() -> TextOptions {
    TextOptions {
        width: Some(80),
        rows: Some(10),
        ..TextOptions::default()
    }
}

#[test]
fn first_screens_on_eighty_columns() {
    let options = TextOptions {
        sections: Sections::Answer,
        ..terminal()
    };
    for (name, snapshot) in fixture::all() {
        insta::assert_snapshot!(format!("first_{name}"), render(&snapshot, &options));
    }
}

#[test]
fn sections_that_are_asked_for_stand_alone_and_all_of_them_are_the_whole() {
    for (name, snapshot) in fixture::all() {
        let page = |sections| {
            let options = TextOptions {
                sections,
                ..terminal()
            };
            render(&snapshot, &options)
        };
        let all = Sections::Only(Section::ALL.to_vec());
        let (whole, none) = (page(Sections::Full), page(Sections::Only(Vec::new())));
        assert_eq!(whole, page(all), "{name}");
        let parts = Section::ALL.map(|section| {
            let alone = page(Sections::Only(vec![section]));
            alone[none.len()..].to_owned()
        });
        assert_eq!(whole, none + &parts.concat(), "{name}");
    }
}

#[test]
fn pages_on_eighty_columns() {
    for (name, snapshot) in fixture::all() {
        insta::assert_snapshot!(name, render(&snapshot, &terminal()));
    }
}

#[test]
fn without_a_terminal_the_columns_stand_side_by_side() {
    insta::assert_snapshot!(
        "launched_unlimited",
        render(&fixture::launched(), &TextOptions::default())
    );
}

#[test]
fn the_audit_alone() {
    insta::assert_snapshot!(
        "audit_only",
        render_audit(&fixture::two_nodes(), &terminal())
    );
}

#[test]
fn no_page_lets_a_name_control_the_terminal() {
    for (name, snapshot) in fixture::all() {
        for line in render(&snapshot, &terminal()).lines() {
            assert!(!line.contains(escape::is_hostile), "{name}: {line:?}");
        }
    }
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for (name, snapshot) in fixture::all() {
        for width in [80, 132] {
            let options = TextOptions {
                width: Some(width),
                ..terminal()
            };
            for line in render(&snapshot, &options).lines() {
                // A word of a command is not broken: nobody could paste it.
                let words = line.trim_end_matches('\\').split_whitespace().count();
                assert!(
                    line.width() <= width || words == 1,
                    "{name} on {width}: {line}"
                );
            }
        }
    }
}

#[test]
fn rows_beyond_the_limit_are_summed_and_the_total_is_the_whole() {
    let snapshot = fixture::crowd();
    let page = render(&snapshot, &terminal());
    assert!(page.contains("9,990 others"), "{page}");
    let total = snapshot
        .alloc_total()
        .and_then(|alloc| alloc.remote())
        .unwrap();
    let total = numatrace::model::number::grouped(total);
    let row = page.lines().find(|line| line.contains(" total ")).unwrap();
    assert!(row.contains(&total), "{row} has no {total}");
}

#[test]
fn colour_changes_nothing_but_colour() {
    let plain = render(&fixture::fallback(), &terminal());
    let coloured = render(
        &fixture::fallback(),
        &TextOptions {
            color: true,
            ..terminal()
        },
    );
    assert_ne!(plain, coloured);
    let mut stripped = coloured;
    for code in [
        "\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m",
    ] {
        stripped = stripped.replace(code, "");
    }
    assert_eq!(plain, stripped);
}

#[test]
fn a_command_line_of_a_megabyte_is_cut() {
    let mut snapshot = fixture::launched();
    snapshot
        .session
        .scope
        .launched
        .push("x".repeat(1 << 20).into());
    let page = render(&snapshot, &terminal());
    assert!(
        page.starts_with("numatrace trace: ./app --threads=2")
            && page.contains('…')
            && page.len() < 16 << 10,
        "{}",
        page.len()
    );
}

/// Returns the headers of all tables of a page: in colour, the lines that are bold and indented.
fn headers(page: &str) -> Vec<String> {
    let lines = page
        .lines()
        .filter_map(|line| line.strip_prefix("\x1b[1m "));
    lines
        .flat_map(|line| line.trim_end_matches("\x1b[0m").split("  "))
        .map(|header| header.trim().to_owned())
        .filter(|header| !header.is_empty())
        .collect()
}

#[test]
fn every_header_of_a_table_is_that_of_a_quantity_or_identifies_rows() {
    let options = TextOptions {
        color: true,
        ..TextOptions::default()
    };
    let (bug, mended) = (before_after::bug(), before_after::mended());
    let of = |before: &Snapshot, after: &Snapshot| {
        let diff = Diff::of((&"a".into(), before), (&"b".into(), after));
        diff::render(&diff, &options)
    };
    let mut pages = vec![
        ("diff", of(&bug, &mended)),
        ("diff back", of(&mended, &bug)),
        ("bug", render(&bug, &options)),
        ("audit", render_audit(&fixture::two_nodes(), &options)),
    ];
    let all = fixture::all();
    pages.extend(all.iter().map(|(name, one)| (*name, render(one, &options))));
    let mut count = 0;
    for (name, page) in pages {
        for header in headers(&page) {
            assert!(is_known(&header), "{name}: {header:?}\n{page}");
            count += 1;
        }
    }
    assert!(count > 200, "only {count} headers were found");
}

#[test]
fn memory_that_may_have_come_after_a_thread_left_is_told_as_such() {
    let sentence = |pages_left_least, pages_followed| {
        let mut snapshot = fixture::launched();
        snapshot.incidents = vec![Incident {
            pid: Pid(4242),
            tid: Tid(4242),
            comm: "app".into(),
            from: NodeId(0),
            to: NodeId(1),
            reason: MoveReason::LoadBalance,
            at_s: 0.28,
            away_ms: 500.0,
            run_ms: None,
            remote_hint_faults: None,
            pages_left: 20_045,
            pages_left_least,
            pages_followed,
            back: None,
            ended: false,
        }];
        let text = render(&snapshot, &TextOptions::default());
        let words: Vec<&str> = text.split_whitespace().collect();
        let text = words.join(" ");
        let from = text.find("app (4242) left node 0").unwrap();
        text[from..].split_once("stayed").unwrap().0.to_owned()
    };
    let began = "app (4242) left node 0 for node 1 at 0.280 s (load balancing); ";
    for (least, followed, says) in [
        (None, 0, "78.3 MiB of its memory "),
        (Some(20_000), 0, "78.3 MiB of its memory "),
        (Some(25), 0, "between 0.1 and 78.3 MiB of its memory "),
        (Some(0), 0, "at most 78.3 MiB of its memory "),
        (Some(2_560), 2_560, "at most 68.3 MiB of its memory "),
    ] {
        assert_eq!(sentence(least, followed), format!("{began}{says}"));
    }
}
