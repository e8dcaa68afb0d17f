//! Reasons of moves compared with the kernel stack of each move: at least 99 in 100 agree, however
//! the tasks are moved.

use numatrace_tests::harness::balancer::Balancer;
use numatrace_tests::harness::report::Report;
use numatrace_tests::{or_skip, tracer};

use crate::support::machine::nodes;
use crate::two_nodes_or_skip;

/// The moves of several sessions: all of them, those whose stack contradicts the reason, and those
/// whose stack has no reason.
#[derive(Default)]
struct Moves {
    all: u64,
    disagreed: u64,
    unclassified: u64,
    verified: Vec<serde_json::Value>,
}

/// Asserts that of the moves whose stack has a reason 99 in 100 agree, and that hardly any stack
/// has none.
fn agrees(report: &Report, least: u64) {
    let mut moves = Moves::default();
    moves.add(report);
    moves.agree(least);
}

impl Moves {
    fn add(&mut self, report: &Report) {
        let verify = &report.value["verify"];
        let count = |field: &str| {
            verify[field]
                .as_u64()
                .unwrap_or_else(|| panic!("{verify:#}"))
        };
        let of = |list: &str| -> u64 {
            let entries = verify[list]
                .as_array()
                .unwrap_or_else(|| panic!("{verify:#}"));
            entries
                .iter()
                .filter_map(|entry| entry["count"].as_u64())
                .sum()
        };
        let (moves, agreed) = (count("moves"), count("agreed"));
        let (disagreed, unclassified) = (of("disagreed"), of("unclassified"));
        assert_eq!(moves, agreed + disagreed + unclassified, "{verify:#}");
        assert_eq!(report.count("/coverage/records_lost"), Some(0));
        self.all += moves;
        self.disagreed += disagreed;
        self.unclassified += unclassified;
        self.verified.push(verify.clone());
    }

    fn agree(&self, least: u64) {
        let verified = &self.verified;
        assert!(
            self.all >= least,
            "{} moves prove little: {verified:#?}",
            self.all
        );
        // One in a hundred, and at least one: a short session has few moves.
        let slack = (self.all / 100).max(1);
        assert!(
            self.disagreed <= slack && self.unclassified <= slack,
            "{verified:#?}"
        );
    }
}

#[test]
fn forced_moves_agree_with_their_stacks() {
    let (a, b) = two_nodes_or_skip!();
    let list = format!("{a},{b}");
    let run = or_skip!(
        tracer!()
            .args(["--verify-reasons"])
            .launch(&["bounce", "--times", "200", "--nodes", &list])
    );
    agrees(&run.report, 200);
}

#[test]
fn balanced_moves_agree_with_their_stacks() {
    let (a, _) = two_nodes_or_skip!();
    let threads = (2 * nodes().cpus(a).len() + 2).to_string();
    let node = a.to_string();
    let run = or_skip!(tracer!().args(["--verify-reasons"]).launch(&[
        "crowd",
        "--threads",
        &threads,
        "--node",
        &node,
        "--ms",
        "2000"
    ]));
    agrees(&run.report, 5);
}

#[test]
fn woken_threads_agree_with_their_stacks() {
    let (a, b) = two_nodes_or_skip!();
    let list = format!("{a},{b}");
    // On nodes of one CPU the sleeper may stay where it is.
    let mut moves = Moves::default();
    for _ in 0..4 {
        let run = or_skip!(
            tracer!()
                .args(["--verify-reasons"])
                .launch(&["relay", "--rounds", "500", "--nodes", &list])
        );
        moves.add(&run.report);
        if moves.all >= 2 {
            break;
        }
    }
    moves.agree(2);
}

#[test]
fn real_time_pushes_agree_with_their_stacks() {
    let (a, b) = two_nodes_or_skip!();
    let list = format!("{a},{b}");
    let run = or_skip!(
        tracer!()
            .args(["--verify-reasons"])
            .launch(&["rt-push", "--times", "20", "--nodes", &list])
    );
    agrees(&run.report, 10);
}

#[test]
fn everybody_s_moves_agree_with_their_stacks() {
    let (a, _) = two_nodes_or_skip!();
    let _quick = Balancer::quick().unwrap();
    let workloads = [
        format!("place --at exec --node {a} --count 20"),
        format!("place --at fork --node {a} --count 20"),
        "fork-storm --count 200 --exec".to_owned(),
    ];
    let (report, _) = tracer!()
        .args(["--verify-reasons"])
        .system_wide_all(&workloads)
        .unwrap();
    agrees(&report, 20);
}
