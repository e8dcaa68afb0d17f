//! Replayed recordings of scenarios, as text that a person has read: whoever changes a sentence of
//! a report sees it here beside its evidence.
//!
//! Each recording in `scenarios/` was made in a guest with two nodes of 512 MiB (Linux 6.12, NUMA
//! balancing off) by `numatrace record -o FILE`, with `-p PID` or `-- workload …`:
//!
//! | recording | load |
//! |---|---|
//! | `settled_elsewhere` | `settled --mib 64 --node 1 --cpu-node 0 --bound` |
//! | `local_and_settled` | `settled --mib 64 --node 0 --cpu-node 0 --bound` |
//! | `balancing_off` | `first-touch --init-node 1 --use-node 0 --pages 12288 --threads 2 --secs 2` |
//! | `bound_node_oom` | `overfill --alone --node 0 --mib 620` |
//! | `huge_pages_of_the_other_node` | `hugetlb-empty --node 1 --pool 0 --other 0 --other-pool 12` |
//! | `mbind_refused` | `refused` |

use std::{fs, path::Path};

use numatrace::{
    output::text::{TextOptions, render},
    recording::wanted::Wanted,
};

use crate::read;

const SCENARIOS: [&str; 6] = [
    "settled_elsewhere",
    "local_and_settled",
    "balancing_off",
    "bound_node_oom",
    "huge_pages_of_the_other_node",
    "mbind_refused",
];

#[test]
fn scenarios_read_as_a_person_has_read_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recording/scenarios");
    let options = TextOptions {
        width: Some(100),
        ..TextOptions::default()
    };
    for name in SCENARIOS {
        let bytes = fs::read(folder.join(format!("{name}.nmt"))).unwrap();
        let (reports, outcome) = read(&bytes, Wanted::default()).unwrap();
        assert_eq!(reports.len(), 1, "{name}");
        assert_eq!(outcome.remarks, Vec::<String>::new(), "{name}");
        insta::assert_snapshot!(name, render(&reports[0], &options));
    }
}
