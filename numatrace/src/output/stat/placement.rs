//! The placement mismatch of processes as text: lines below one process's table, a table for
//! several, and sentences about those that run far from their memory.
//!
//! Shares have a percent sign, so that no row of the table looks like one of numastat's.

use std::fmt::Write as _;

use super::grid::{Cell, Grid, Row};
use super::{StatText, label, node_columns};
use crate::ids::NodeId;
use crate::model::number::percent_sign;
use crate::model::quantity::float;
use crate::model::stat::Sample;
use crate::model::stat::memory::{ProcessMemory, ProcessSection};
use crate::model::stat::placement::ProcessPlacement;
use crate::output::escape;
use crate::output::format::percent;

/// The source of the CPU time, in the words of every output.
const CPU_TIME: &str = "CPU time of its threads by the node each ran on last";

/// Most sentences of a text; JSON has all.
const MOST: usize = 10;

/// Returns the mismatch of one process and the shares that it rests on.
#[must_use]
pub fn lines(process: &ProcessMemory, sample: &Sample) -> String {
    let placement = &process.placement;
    let Some(apart) = placement.placement_mismatch else {
        return format!("Placement mismatch -: {}\n", unknown(placement));
    };
    let cpu = placement.cpu_share.as_deref().unwrap_or_default();
    let sum = float(placement.without_files_kib.iter().sum());
    let memory = placement.without_files_kib.iter();
    let memory: Vec<f64> = memory.map(|&kib| float(kib) / sum).collect();
    format!(
        "Placement mismatch {apart:.2}\n  {CPU_TIME}: {}\n  memory without files: {}\n",
        shares(cpu, &sample.nodes),
        shares(&memory, &sample.nodes)
    )
}

/// Says why there is no mismatch.
fn unknown(placement: &ProcessPlacement) -> &'static str {
    match &placement.cpu_ms {
        None => "the nodes of its threads are not known",
        Some(ms) if ms.iter().all(|&ms| ms == 0) => "its threads have used no CPU time",
        Some(_) => "it has no memory besides that of files",
    }
}

/// Formats the shares of nodes that have one: `node 0 97.0 %, node 1 3.0 %`.
fn shares(shares: &[f64], nodes: &[NodeId]) -> String {
    let shares = nodes.iter().zip(shares).filter(|&(_, &share)| share > 0.0);
    let shares: Vec<String> = shares
        .map(|(node, &share)| format!("node {node} {}", percent_sign(Some(share))))
        .collect();
    shares.join(", ")
}

/// Returns a row for each of several processes: shares of CPU time, then the mismatch.
#[must_use]
pub fn table(processes: &[ProcessMemory], sample: &Sample, text: &StatText) -> String {
    let row = |process: &ProcessMemory| {
        let placement = &process.placement;
        let share = |position: usize| {
            let share = placement.cpu_share.as_ref()?.get(position).copied()?;
            Some(Cell {
                text: percent::short(share),
                value: Some(share),
            })
        };
        let nodes = 0..sample.nodes.len();
        let apart = placement.placement_mismatch.map(|apart| Cell {
            text: format!("{apart:.2}"),
            value: Some(apart),
        });
        let cells = nodes.map(share).chain([apart]);
        Row::new(
            label(process),
            cells
                .map(|cell| cell.unwrap_or_else(Cell::unknown))
                .collect(),
        )
    };
    let mut columns = node_columns(sample);
    // A mismatch is of all nodes and stands where other tables have their total.
    columns.pop();
    columns.push("Mismatch".to_owned());
    let grid = Grid {
        corner: "PID".to_owned(),
        columns,
        rows: processes.iter().map(row).collect(),
        ..Grid::default()
    };
    let mut layout = text.layout(sample);
    // A mismatch of 0 is worth knowing.
    layout.nonzero = false;
    format!(
        "\n{CPU_TIME}, and placement mismatch\n{}",
        grid.render(layout)
    )
}

/// Returns the sentences about processes that run far from their memory.
#[must_use]
pub fn findings(section: &ProcessSection) -> String {
    let mut out = String::new();
    for finding in section.findings.iter().take(MOST) {
        // Names of processes are in it. Writing to a String cannot fail.
        let _ = writeln!(out, "\n{}", escape::text(finding.as_bytes()));
    }
    let more = section.findings.len().saturating_sub(MOST);
    if more > 0 {
        let _ = writeln!(out, "\nand {more} more like these; -f json has them all");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Pid;
    use crate::model::name::Name;
    use crate::model::stat::memory::NumastatCategories;
    use crate::output::stat::render;

    fn process(pid: u32, cpu: Option<[u64; 2]>, memory: [u64; 2]) -> ProcessMemory {
        let share = |[a, b]: [u64; 2]| vec![float(a) / float(a + b), float(b) / float(a + b)];
        let apart = cpu.filter(|cpu| cpu.iter().sum::<u64>() > 0);
        let apart = apart.filter(|_| memory.iter().sum::<u64>() > 0);
        ProcessMemory {
            pid: Pid(pid),
            comm: Name::from("app"),
            numastat: NumastatCategories::zeros(2),
            placement: ProcessPlacement {
                placement_mismatch: apart.map(|cpu| (share(cpu)[0] - share(memory)[0]).abs()),
                cpu_ms: cpu.map(|ms| ms.to_vec()),
                cpu_share: apart.map(share),
                without_files_kib: memory.to_vec(),
            },
            kinds: None,
            threads: None,
        }
    }

    fn text(processes: Vec<ProcessMemory>, findings: &[&str]) -> String {
        let mut sample = Sample::new("t".to_owned(), 4096, vec![NodeId(0), NodeId(4)]);
        sample.processes = Some(ProcessSection {
            processes,
            vanished: 0,
            left_out: 0,
            denied: 0,
            findings: findings.iter().map(ToString::to_string).collect(),
        });
        render(&sample, &StatText::default())
    }

    #[test]
    fn one_process_has_its_mismatch_and_what_it_rests_on() {
        let text = text(
            vec![process(7, Some([500, 0]), [3, 97])],
            &["7 (app) runs."],
        );
        let end = "\
Placement mismatch 0.97
  CPU time of its threads by the node each ran on last: node 0 100 %
  memory without files: node 0 3.0 %, node 4 97.0 %

7 (app) runs.
";
        assert!(text.ends_with(end), "{text}");
    }

    #[test]
    fn a_mismatch_that_is_not_known_says_why() {
        for (cpu, memory, why) in [
            (None, [1, 1], "the nodes of its threads are not known"),
            (Some([0, 0]), [1, 1], "its threads have used no CPU time"),
            (
                Some([1, 1]),
                [0, 0],
                "it has no memory besides that of files",
            ),
        ] {
            let text = text(vec![process(7, cpu, memory)], &[]);
            let end = format!("Placement mismatch -: {why}\n");
            assert!(text.ends_with(&end), "{text}");
        }
    }

    #[test]
    fn several_processes_have_a_row_each_that_is_none_of_numastats() {
        let processes = vec![
            process(7, Some([500, 0]), [3, 97]),
            process(8, None, [3, 97]),
        ];
        let text = text(processes, &[]);
        let (_, table) = text.split_once(CPU_TIME).unwrap();
        let words = |start: &str| {
            let line = table.lines().find(|line| line.starts_with(start)).unwrap();
            line.split_whitespace().collect::<Vec<_>>()
        };
        assert_eq!(words("PID"), ["PID", "Node", "0", "Node", "4", "Mismatch"]);
        assert_eq!(words("7 (app)"), ["7", "(app)", "100.0%", "0.0%", "0.97"]);
        assert_eq!(words("8 (app)"), ["8", "(app)", "-", "-", "-"]);
    }

    #[test]
    fn only_some_of_many_sentences_are_text_and_none_moves_the_cursor() {
        let said: Vec<String> = (0..12).map(|n| format!("{n} (a\x1b[2Jb) runs.")).collect();
        let said: Vec<&str> = said.iter().map(String::as_str).collect();
        let text = text(vec![process(7, Some([1, 0]), [1, 0])], &said);
        assert_eq!(text.matches(" runs.").count(), 10, "{text}");
        assert!(text.contains("and 2 more like these"), "{text}");
        assert!(!text.contains('\x1b'), "{text:?}");
    }
}
