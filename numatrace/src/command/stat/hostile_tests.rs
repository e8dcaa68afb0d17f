//! Rows and names of the machine that would act on a terminal come out of `stat` harmless, in every
//! format.

use super::run;
use crate::cli::{Format, stat::StatArgs};
use crate::enrich::topology::fixture::{self, write};
use crate::output::escape::is_hostile;

#[test]
fn no_format_writes_what_a_terminal_would_act_on() {
    let tree = fixture::tree(&fixture::uniform(2, 2));
    for node in ["node0", "node1"] {
        let file = tree.path().join("sys/devices/system/node").join(node);
        let number = node.trim_start_matches("node");
        let row = |name: &str| format!("Node {number} {name}: 4096 kB\n");
        let rows = ["MemTotal", "MemFree", "Row\u{1b}[2J", "Row\u{9b}2J\u{202e}"].map(row);
        write(&file.join("meminfo"), &rows.concat());
    }
    let args = StatArgs {
        meminfo: true,
        cgroup: Some("/no\u{1b}[2Jsuch\u{9b}group".into()),
        ..StatArgs::default()
    };
    let json = StatArgs {
        format: Format::Json,
        ..args.clone()
    };
    let csv = StatArgs {
        csv: true,
        ..args.clone()
    };
    for args in [args, csv, json] {
        let mut out = Vec::new();
        run(&args, tree.path(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("202e"), "the row is shown: {text}");
        assert!(!text.contains(|c| c != '\n' && is_hostile(c)), "{text:?}");
    }
}
