//! On every machine and with every form of the hooks, a report keeps the contract and its text fits
//! the terminal.

use std::io::Write as _;
use std::process::{Command, Stdio};

use numatrace::ids::NodeId;
use numatrace::model::{Snapshot, Verdict};
use numatrace::output::text::{TextOptions, render};
use numatrace::output::{escape, json};
use unicode_width::UnicodeWidthStr as _;

use super::load::dense;
use super::machine;
use super::whole::{Hooks, reported};

/// Each machine with each form of the hooks, with counts for every pair of its nodes.
fn reports() -> impl Iterator<Item = (String, Hooks, Snapshot)> {
    machine::all().into_iter().flat_map(|(name, machine)| {
        let nodes: Vec<NodeId> = machine.node_ids().collect();
        let counted = dense(&nodes);
        Hooks::ALL.map(|hooks| {
            let snapshot = reported(&machine, hooks, &counted);
            (format!("{name}, {hooks:?}"), hooks, snapshot)
        })
    })
}

#[test]
fn every_report_keeps_the_contract_and_the_schema() {
    let schema = include_str!("../../../docs/report.schema.json");
    let schema: serde_json::Value = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let check = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/contract/check_report.py"
    );
    for (name, _, snapshot) in reports() {
        let line = json::to_line(&snapshot).unwrap();
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        let breaches: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(breaches.is_empty(), "{name}: {breaches:#?}");
        let started = Command::new("python3")
            .args([check, "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut child) = started else {
            // No python3: the schema was checked all the same.
            continue;
        };
        child
            .stdin
            .take()
            .unwrap()
            .write_all(line.as_bytes())
            .unwrap();
        let said = child.wait_with_output().unwrap();
        assert!(
            said.status.success(),
            "{name}:\n{}",
            String::from_utf8_lossy(&said.stdout)
        );
    }
}

#[test]
fn what_the_kernel_counted_too_is_an_exact_audit_on_every_machine() {
    for (name, hooks, snapshot) in reports() {
        let wanted = match hooks {
            Hooks::Exact => Verdict::Exact,
            Hooks::Fallback => Verdict::Approximate,
            Hooks::WithoutAllocs => Verdict::Unavailable,
        };
        let audit = &snapshot.audit;
        assert_eq!(audit.verdict, wanted, "{name}: {:?}", audit.why);
        if hooks == Hooks::Exact {
            let apart = audit.nodes.iter().flat_map(|node| {
                numatrace::model::Counter::ALL.map(|counter| node.counter(counter).residual)
            });
            assert!(
                apart.into_iter().all(|residual| residual == Some(0)),
                "{name}: {audit:#?}"
            );
        }
    }
}

#[test]
fn no_page_is_wider_than_its_terminal_or_steered_by_a_name() {
    for (name, _, snapshot) in reports() {
        for width in [Some(80), Some(132), None] {
            let options = TextOptions {
                width,
                rows: Some(10),
                ..TextOptions::default()
            };
            let page = render(&snapshot, &options);
            for line in page.lines() {
                assert!(
                    width.is_none_or(|width| line.width() <= width),
                    "{name} on {width:?}: {line}"
                );
                assert!(!line.contains(escape::is_hostile), "{name}: {line:?}");
            }
        }
    }
}

#[test]
fn what_was_moved_and_why_is_said_where_nodes_are_not_known() {
    for (name, hooks, snapshot) in reports().filter(|(_, hooks, _)| *hooks == Hooks::Fallback) {
        let page = render(&snapshot, &TextOptions::default());
        assert!(
            page.contains("Page migrations, whole system\n")
                && page.contains("Nodes were not measured."),
            "{name}, {hooks:?}: {page}"
        );
    }
}

#[test]
fn what_hooks_cannot_know_is_null_and_the_rest_is_not() {
    for (name, hooks, snapshot) in reports() {
        let exact = hooks != Hooks::Fallback;
        let system = snapshot.system.as_ref().unwrap();
        let migrations = system.page_migrations.as_ref().unwrap();
        assert_eq!(migrations.matrix.is_some(), exact, "{name}");
        assert!(migrations.by_reason.is_some() && migrations.failed.is_some());
        let touch = system.first_touch.as_ref().unwrap();
        assert_eq!(touch.by_kind.is_some(), exact, "{name}");
        assert!(touch.pages.is_some(), "{name}");
        assert_eq!(system.hint_faults.is_some(), exact, "{name}");
        assert!(system.task_moves.is_some() && system.run_ns.is_some());
        let allocs = snapshot.processes.iter().all(|p| p.alloc.is_some());
        assert_eq!(allocs, hooks != Hooks::WithoutAllocs, "{name}");
    }
}
