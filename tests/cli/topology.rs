//! `numatrace topology`, which needs no privileges, compared with sysfs.

use std::process::Command;

use numatrace_tests::harness::{programs, skipped};
use numatrace_tests::test_name;
use numatrace_tests::workload::nodes::Nodes;
use serde_json::Value;

use crate::{ended, numatrace};

#[test]
fn it_lists_the_nodes_of_sysfs_with_their_cpus() {
    let Ok(nodes) = Nodes::read() else {
        return skipped(test_name!(), "no NUMA support in this kernel");
    };
    let output = numatrace(&["topology", "-f", "json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let value: Value = serde_json::from_str(&output.stdout).unwrap();
    let listed = value
        .pointer("/nodes")
        .and_then(Value::as_array)
        .expect("nodes");
    assert!(!listed.is_empty(), "{value:#}");
    assert_eq!(listed.len(), nodes.online().len());
    for (entry, &node) in listed.iter().zip(nodes.online()) {
        assert_eq!(entry["node"], node);
        let cpus: Vec<u64> = entry["cpus"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_u64)
            .collect();
        assert_eq!(
            cpus,
            nodes
                .cpus(node)
                .iter()
                .map(|&cpu| u64::from(cpu))
                .collect::<Vec<_>>()
        );
    }
}

#[test]
fn text_has_no_escape_sequences_when_it_is_not_a_terminal() {
    let output = numatrace(&["topology"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.contains("node"), "{}", output.stdout);
    assert!(!output.stdout.contains('\u{1b}'), "{:?}", output.stdout);
}

#[test]
fn a_closed_pipe_is_a_quiet_end() {
    // The reader closes the pipe before or while numatrace writes; either way nobody wants a
    // message.
    let script = r#"("$0" topology; echo "status $?" >&2) | true"#;
    let output = ended(
        Command::new("sh")
            .args(["-c", script])
            .arg(programs::numatrace().unwrap()),
    );
    let lines: Vec<&str> = output.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{}", output.stderr);
    assert!(lines[0].starts_with("status "), "{}", output.stderr);
}
