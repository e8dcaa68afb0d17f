//! Two samples to the changes between them.

use jiff::Timestamp;

use crate::ids::NodeId;
use crate::model::stat::Sample;
use crate::model::stat::counters::Counters;
use crate::model::stat::since::{ProcessChange, RowChange, SinceSection};

/// Returns the seconds between two samples by the wall clock; `None` when a time cannot be read or
/// runs backwards.
#[must_use]
pub fn seconds(before: &Sample, now: &Sample) -> Option<f64> {
    let time = |sample: &Sample| sample.time.parse::<Timestamp>().ok();
    let seconds = time(before)?
        .until(time(now)?)
        .ok()?
        .total(jiff::Unit::Second)
        .ok()?;
    (seconds > 0.0).then_some(seconds)
}

/// Returns the counters of a saved sample in the order of `nodes`.
#[must_use]
pub fn counters(before: &Sample, nodes: &[NodeId]) -> Vec<Option<Counters>> {
    let views = before
        .counters
        .as_ref()
        .map(|section| section.nodes.as_slice())
        .unwrap_or_default();
    nodes
        .iter()
        .map(|node| {
            Some(
                views
                    .get(position(before, *node)?)
                    .copied()
                    .flatten()?
                    .counters,
            )
        })
        .collect()
}

/// Returns the changes from `before` to `now`, by node of `now`; `None` when their times cannot be
/// compared.
#[must_use]
pub fn section(before: &Sample, now: &Sample) -> Option<SinceSection> {
    let seconds = seconds(before, now)?;
    let old_rows = before.meminfo.iter().flat_map(|section| &section.rows);
    let row = |old: &crate::model::stat::memory::MeminfoRow| {
        let new = now
            .meminfo
            .as_ref()?
            .rows
            .iter()
            .find(|row| row.name == old.name)?;
        let change = |(place, node): (usize, &NodeId)| {
            let then = old.kib.get(position(before, *node)?).copied().flatten()?;
            let now = new.kib.get(place).copied().flatten()?;
            Some(
                i64::try_from(now)
                    .ok()?
                    .saturating_sub(i64::try_from(then).ok()?),
            )
        };
        let kib: Vec<Option<i64>> = now.nodes.iter().enumerate().map(change).collect();
        kib.iter().any(|kib| *kib != Some(0)).then(|| RowChange {
            name: old.name.clone(),
            kib,
        })
    };
    let mut processes = Vec::new();
    let mut gone = Vec::new();
    for old in before
        .processes
        .iter()
        .flat_map(|section| &section.processes)
    {
        let same = |new: &&crate::model::stat::memory::ProcessMemory| {
            new.pid == old.pid && new.comm == old.comm
        };
        let Some(new) = now
            .processes
            .iter()
            .flat_map(|section| &section.processes)
            .find(same)
        else {
            gone.push(old.pid);
            continue;
        };
        let totals = old.numastat.totals();
        let then = |node: &NodeId| {
            position(before, *node)
                .and_then(|place| totals.get(place).copied())
                .unwrap_or(0)
        };
        processes.push(ProcessChange {
            pid: new.pid,
            comm: new.comm.clone(),
            before_kib: now.nodes.iter().map(then).collect(),
            now_kib: new.numastat.totals(),
        });
    }
    Some(SinceSection {
        time: before.time.clone(),
        seconds,
        meminfo: old_rows.filter_map(row).collect(),
        processes,
        gone,
    })
}

fn position(sample: &Sample, node: NodeId) -> Option<usize> {
    sample.nodes.iter().position(|known| *known == node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Pid;
    use crate::model::name::Name;
    use crate::model::stat::memory::{
        MeminfoRow, MeminfoSection, NumastatCategories, ProcessMemory, ProcessSection,
    };
    use crate::model::stat::placement::ProcessPlacement;

    fn sample(time: &str, nodes: &[u16], free: &[u64], heap: &[u64]) -> Sample {
        let mut sample = Sample::new(
            time.to_owned(),
            4096,
            nodes.iter().copied().map(NodeId).collect(),
        );
        let rows = vec![
            MeminfoRow {
                name: "MemTotal".to_owned(),
                kib: free.iter().map(|_| Some(9)).collect(),
            },
            MeminfoRow {
                name: "MemFree".to_owned(),
                kib: free.iter().copied().map(Some).collect(),
            },
        ];
        sample.meminfo = Some(MeminfoSection {
            rows,
            huge_page_pools: vec![],
        });
        let process = |pid, comm: &str| ProcessMemory {
            pid: Pid(pid),
            comm: Name::from(comm),
            numastat: NumastatCategories {
                heap: heap.to_vec(),
                ..NumastatCategories::zeros(heap.len())
            },
            placement: ProcessPlacement::default(),
            kinds: None,
            threads: None,
        };
        let processes = vec![
            process(7, "app"),
            process(u32::try_from(nodes.len()).unwrap(), "brief"),
        ];
        sample.processes = Some(ProcessSection {
            processes,
            vanished: 0,
            left_out: 0,
            denied: 0,
            findings: vec![],
        });
        sample
    }

    #[test]
    fn changes_follow_nodes_by_number_and_processes_by_pid_and_name() {
        let before = sample("2026-01-01T00:00:00Z", &[0, 4], &[100, 200], &[50, 0]);
        let now = sample(
            "2026-01-01T00:01:30.5Z",
            &[0, 2, 4],
            &[70, 10, 230],
            &[20, 0, 30],
        );
        let since = section(&before, &now).unwrap();
        assert!((since.seconds - 90.5).abs() < 1e-9);
        assert_eq!(
            since.meminfo.len(),
            2,
            "a row of a node that is new is a change: {since:?}"
        );
        assert_eq!(since.meminfo[1].kib, [Some(-30), None, Some(30)]);
        assert_eq!(
            (
                since.processes[0].before_kib.clone(),
                since.processes[0].now_kib.clone()
            ),
            (vec![50, 0, 0], vec![20, 0, 30])
        );
        assert_eq!(since.gone, [Pid(2)]);
        assert_eq!(section(&now, &before), None, "time does not run backwards");
    }
}
