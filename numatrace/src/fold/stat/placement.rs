//! Threads and mappings of a process to its CPU time and memory by node, and how far they are
//! apart.

use super::process::PageSizes;
use super::ratio;
use crate::capture::sys::numa_maps::MapLine;
use crate::capture::sys::threads::Thread;
use crate::ids::{CpuId, NodeId};
use crate::model::number::percent_sign;
use crate::model::placement::mismatch;
use crate::model::stat::memory::ProcessMemory;
use crate::model::stat::placement::ProcessPlacement;

/// Mismatch from which on a process is reported.
const APART: f64 = 0.5;

/// Share of the CPU time from which on a process is said to run on a node.
const RUNS_THERE: f64 = 0.99;

/// Adds a mapping to the memory per node, unless it is of a file.
pub fn add_memory(sum: &mut [u64], map: &MapLine<'_>, nodes: &[NodeId], sizes: PageSizes) {
    if map.is_of_a_file() {
        return;
    }
    let page_kb = sizes.of(map);
    for (node, pages) in &map.pages {
        let at = nodes.binary_search(node).ok();
        if let Some(sum) = at.and_then(|position| sum.get_mut(position)) {
            *sum = sum.saturating_add(pages.saturating_mul(page_kb));
        }
    }
}

/// Returns the CPU time per node in ms: each thread's at the node of the CPU that it ran on last.
/// `None` when the node of a thread with CPU time is not known: its CPU went offline.
#[must_use]
pub fn cpu_ms(
    threads: &[Thread],
    nodes: &[NodeId],
    node_of: impl Fn(CpuId) -> Option<NodeId>,
    ticks_per_second: u64,
) -> Option<Vec<u64>> {
    let mut ticks = vec![0u64; nodes.len()];
    for thread in threads.iter().filter(|thread| thread.ticks > 0) {
        let position = nodes.binary_search(&node_of(thread.cpu)?).ok()?;
        let sum = ticks.get_mut(position)?;
        *sum = sum.saturating_add(thread.ticks);
    }
    let ms = |ticks: u64| ticks.saturating_mul(1000) / ticks_per_second;
    Some(ticks.into_iter().map(ms).collect())
}

/// Returns the placement of a process with this CPU time and memory per node.
#[must_use]
pub fn placement(cpu_ms: Option<Vec<u64>>, without_files_kib: Vec<u64>) -> ProcessPlacement {
    ProcessPlacement {
        placement_mismatch: cpu_ms
            .as_deref()
            .and_then(|cpu| mismatch(cpu, &without_files_kib)),
        cpu_share: cpu_ms.as_deref().and_then(shares),
        cpu_ms,
        without_files_kib,
    }
}

/// Returns each node's share; `None` when there is nothing to share.
fn shares(values: &[u64]) -> Option<Vec<f64>> {
    let whole = values.iter().copied().fold(0, u64::saturating_add);
    (whole > 0).then(|| values.iter().map(|&value| ratio(value, whole)).collect())
}

/// Returns a sentence for each process whose CPU time and memory are far apart, most CPU time
/// first.
#[must_use]
pub fn findings(processes: &[ProcessMemory], nodes: &[NodeId]) -> Vec<String> {
    let mut found: Vec<(u64, String)> = processes
        .iter()
        .filter_map(|process| {
            let ms = process.placement.cpu_ms.as_deref()?;
            Some((ms.iter().sum(), finding(process, nodes)?))
        })
        .collect();
    found.sort_by_key(|(ms, _)| std::cmp::Reverse(*ms));
    found.into_iter().map(|(_, sentence)| sentence).collect()
}

fn finding(process: &ProcessMemory, nodes: &[NodeId]) -> Option<String> {
    let placement = &process.placement;
    let apart = placement
        .placement_mismatch
        .filter(|&apart| apart >= APART)?;
    let cpu = placement.cpu_share.as_deref()?;
    let memory = shares(&placement.without_files_kib)?;
    let most = |more: &[f64], less: &[f64]| {
        let surplus = more.iter().zip(less).map(|(more, less)| more - less);
        let (at, _) = surplus.enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
        Some((*nodes.get(at)?, *more.get(at)?, *less.get(at)?))
    };
    let (runs_on, cpu_there, memory_here) = most(cpu, &memory)?;
    let (lies_on, memory_there, cpu_here) = most(&memory, cpu)?;
    let share = |share: f64| percent_sign(Some(share));
    let what = if cpu_there < APART {
        format!(
            "has {} of its memory on node {lies_on} and {} of its CPU time",
            share(memory_there),
            share(cpu_here)
        )
    } else {
        let runs = if cpu_there >= RUNS_THERE {
            format!("runs on node {runs_on}")
        } else {
            format!(
                "runs {} of its CPU time on node {runs_on}",
                share(cpu_there)
            )
        };
        if memory_there < APART {
            format!(
                "{runs}, {} of its memory is on other nodes",
                share(1.0 - memory_here)
            )
        } else {
            format!(
                "{runs}, {} of its memory is on node {lies_on}",
                share(memory_there)
            )
        }
    };
    Some(format!(
        "{} ({}) {what}: placement mismatch {apart:.2}.",
        process.pid,
        process.comm.to_utf8()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Pid, Tid};
    use crate::model::name::Name;
    use crate::model::stat::memory::NumastatCategories;

    const NODES: [NodeId; 2] = [NodeId(0), NodeId(4)];
    const SIZES: PageSizes = PageSizes {
        base_kb: 4,
        default_huge_kb: 2048,
    };

    fn memory(map: &MapLine<'_>) -> Vec<u64> {
        let mut sum = vec![0; NODES.len()];
        add_memory(&mut sum, map, &NODES, SIZES);
        sum
    }

    fn map(file: &str) -> MapLine<'_> {
        MapLine {
            file: (!file.is_empty()).then_some(file.as_bytes()),
            page_kb: Some(4),
            pages: vec![(NodeId(0), 1), (NodeId(4), 2), (NodeId(9), 7)],
            ..MapLine::default()
        }
    }

    #[test]
    fn memory_of_files_is_left_out_and_shared_memory_is_not() {
        for file in [
            "",
            "/memfd:x\\040(deleted)",
            "/SYSV00000000\\040(deleted)",
            "/dev/shm/x",
            "/dev/zero\\040(deleted)",
        ] {
            assert_eq!(memory(&map(file)), [4, 8], "{file}");
        }
        for file in [
            "/usr/bin/cat",
            "/usr/lib/libc.so.6",
            "/data/file",
            "/dev/zero",
        ] {
            assert_eq!(memory(&map(file)), [0, 0], "{file}");
        }
        let huge = MapLine {
            huge: true,
            page_kb: Some(2048),
            ..map("/mnt/huge/pages")
        };
        assert_eq!(memory(&huge), [2048, 4096], "hugetlb, whatever its file");
        let heap = MapLine {
            heap: true,
            ..map("")
        };
        assert_eq!(memory(&heap), [4, 8]);
    }

    fn thread(cpu: u32, ticks: u64) -> Thread {
        Thread {
            tid: Tid(cpu),
            comm: "worker".to_owned(),
            cpu: CpuId(cpu),
            ticks,
        }
    }

    /// CPUs 0 and 1 are on node 0, CPUs 2 and 3 on node 4; others are offline.
    fn node_of(cpu: CpuId) -> Option<NodeId> {
        let node = if cpu.0 < 2 { NodeId(0) } else { NodeId(4) };
        (cpu.0 < 4).then_some(node)
    }

    #[test]
    fn each_threads_time_is_at_the_node_that_it_ran_on_last() {
        let cpu = |threads: &[Thread]| cpu_ms(threads, &NODES, node_of, 100);
        let all = [thread(0, 3), thread(1, 4), thread(3, 5)];
        assert_eq!(cpu(&all), Some(vec![70, 50]));
        assert_eq!(cpu(&[]), Some(vec![0, 0]));
        assert_eq!(cpu(&[thread(0, 3), thread(7, 1)]), None, "offline");
        assert_eq!(cpu(&[thread(0, 3), thread(7, 0)]), Some(vec![30, 0]));
    }

    #[test]
    fn together_is_0_apart_is_1_and_half_is_half() {
        let of = |cpu: [u64; 2], memory: [u64; 2]| {
            placement(Some(cpu.to_vec()), memory.to_vec()).placement_mismatch
        };
        assert_eq!(of([70, 0], [4096, 0]), Some(0.0));
        assert_eq!(of([70, 0], [0, 4096]), Some(1.0));
        assert_eq!(of([70, 0], [4096, 4096]), Some(0.5));
        assert_eq!(of([0, 0], [4096, 0]), None, "no CPU time");
        assert_eq!(of([70, 0], [0, 0]), None, "only files");
        let half = placement(Some(vec![10, 30]), vec![4, 4]);
        assert_eq!(half.cpu_share, Some(vec![0.25, 0.75]));
        let unknown = placement(None, vec![4, 4]);
        assert_eq!(
            (unknown.placement_mismatch, unknown.cpu_share),
            (None, None)
        );
    }

    fn process(pid: u32, cpu: &[u64], memory: &[u64]) -> ProcessMemory {
        ProcessMemory {
            pid: Pid(pid),
            comm: Name::from("app"),
            numastat: NumastatCategories::zeros(memory.len()),
            placement: placement(Some(cpu.to_vec()), memory.to_vec()),
            kinds: None,
            threads: None,
        }
    }

    fn said(cpu: &[u64], memory: &[u64]) -> Option<String> {
        let nodes: Vec<NodeId> = (0..4).map(NodeId).collect();
        finding(&process(7, cpu, memory), &nodes[..cpu.len()])
    }

    #[test]
    fn a_process_apart_from_its_memory_is_told_where_both_are() {
        let sentence = |cpu: &[u64], memory: &[u64]| said(cpu, memory).unwrap();
        assert_eq!(
            sentence(&[500, 0], &[3, 97]),
            "7 (app) runs on node 0, 97.0 % of its memory is on node 1: placement mismatch 0.97."
        );
        assert_eq!(
            sentence(&[80, 20], &[0, 1]),
            "7 (app) runs 80.0 % of its CPU time on node 0, 100 % of its memory is on node 1: \
             placement mismatch 0.80."
        );
        assert_eq!(
            sentence(&[9, 0, 0, 0], &[1, 1, 1, 1]),
            "7 (app) runs on node 0, 75.0 % of its memory is on other nodes: placement mismatch \
             0.75."
        );
        assert_eq!(
            sentence(&[1, 1, 1, 1], &[0, 0, 8, 0]),
            "7 (app) has 100 % of its memory on node 2 and 25.0 % of its CPU time: placement \
             mismatch 0.75."
        );
    }

    #[test]
    fn a_process_at_home_and_one_that_did_nothing_say_nothing() {
        assert_eq!(said(&[500, 0], &[60, 40]), None, "0.4");
        assert_eq!(said(&[0, 0], &[0, 100]), None);
        assert_eq!(said(&[500, 0], &[0, 0]), None);
        assert!(said(&[500, 0], &[50, 50]).is_some(), "0.5");
    }

    #[test]
    fn who_ran_most_comes_first() {
        let processes = [
            process(1, &[10, 0], &[0, 9]),
            process(2, &[90, 0], &[0, 9]),
            process(3, &[99, 0], &[9, 0]),
        ];
        let said = findings(&processes, &NODES);
        let starts: Vec<&str> = said.iter().map(|said| &said[..7]).collect();
        assert_eq!(starts, ["2 (app)", "1 (app)"]);
    }
}
