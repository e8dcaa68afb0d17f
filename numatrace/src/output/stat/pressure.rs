//! The one screen on which "swapping with free memory elsewhere" shows itself.

use std::fmt::Write as _;

use super::grid::{Cell, Grid, Layout, Row};
use super::{StatText, node_columns};
use crate::model::stat::Sample;
use crate::model::stat::counters::CounterView;
use crate::model::stat::pressure::{Activity, NodePressure, PressureSection};

/// Orders whose fragmentation is shown: the largest the kernel still tries hard for, and a huge page of x86.
const ORDERS: [(usize, &str); 2] = [(3, "unusable for 32 kB"), (9, "unusable for 2 MB")];

/// The whole screen.
#[must_use]
pub fn render(section: &PressureSection, sample: &Sample, text: &StatText) -> String {
    let mut out = String::from("\nPressure per node (sizes in MBs)\n");
    let layout = Layout {
        compact: text.compact,
        width: text.width,
        rules: true,
        ..Layout::default()
    };
    let mut rows = sizes(section);
    rows.extend(ORDERS.iter().map(|&(order, label)| {
        let cell = |node: &NodePressure| {
            node.unusable
                .get(order)
                .map_or_else(Cell::unknown, |&share| percent(share))
        };
        Row::new(label, section.nodes.iter().map(cell).collect())
    }));
    rows.extend(allocations(sample));
    rows.extend(node_activity(section));
    out.push_str(
        &Grid {
            columns: node_columns(sample),
            rows,
            ..Grid::default()
        }
        .render(layout),
    );
    zones(&mut out, section, layout);
    system(&mut out, &section.system);
    for setting in &section.settings {
        let _ = writeln!(out, "{setting}");
    }
    if section.findings.is_empty() {
        out.push_str("\nNo node is short of memory.\n");
    }
    for finding in &section.findings {
        let _ = writeln!(out, "\n{finding}");
    }
    out
}

fn sizes(section: &PressureSection) -> Vec<Row> {
    let size = |label: &str, kib: fn(&NodePressure) -> Option<u64>| {
        let values: Vec<Option<u64>> = section.nodes.iter().map(kib).collect();
        let total = values.iter().copied().sum::<Option<u64>>();
        Row::new(
            label,
            values
                .into_iter()
                .chain([total])
                .map(|kib| kib.map_or_else(Cell::unknown, |kib| mib(float(kib))))
                .collect(),
        )
    };
    let share = section.nodes.iter().map(|node| {
        node.slab_unreclaimable_share
            .map_or_else(Cell::unknown, percent)
    });
    vec![
        size("memory", |node| node.total_kib),
        size("free", |node| node.free_kib),
        Row::new(
            "free before reclaim",
            section.nodes.iter().map(above_low).collect(),
        ),
        size("file and reclaimable slab", |node| node.reclaimable_kib),
        size("anonymous, shared, locked", |node| node.swappable_kib),
        size("unreclaimable slab", |node| node.slab_unreclaimable_kib),
        Row::new("its part of used memory", share.collect()),
    ]
}

#[expect(
    clippy::cast_precision_loss,
    reason = "memory sizes in KiB stay far below 2^53"
)]
fn above_low(node: &NodePressure) -> Cell {
    node.above_low_kib
        .map_or_else(Cell::unknown, |kib| mib(kib as f64))
}

/// The counters beside the sizes: growth when there is some, else since boot.
fn allocations(sample: &Sample) -> Vec<Row> {
    let Some(counters) = &sample.counters else {
        return Vec::new();
    };
    let (nodes, total, when) = match &counters.interval {
        Some(interval) => (&interval.nodes, &interval.total, "in the interval"),
        None => (&counters.nodes, &counters.total, "since boot"),
    };
    let row = |name: &str, value: fn(&CounterView) -> u64| {
        let views = nodes.iter().map(Option::as_ref).chain([Some(total)]);
        Row::new(
            name,
            views
                .map(|view| view.map_or_else(Cell::unknown, |view| count(value(view))))
                .collect(),
        )
    };
    vec![
        Row::new(format!("allocations {when}"), Vec::new()),
        row("  from this node", |view| view.counters.allocations()),
        row("  numa_miss", |view| view.counters.numa_miss),
        row("  numa_foreign", |view| view.counters.numa_foreign),
        row("  other_node", |view| view.counters.other_node),
    ]
}

/// Rows that some node has a number in.
fn node_activity(section: &PressureSection) -> Vec<Row> {
    let Some(first) = section.nodes.first() else {
        return Vec::new();
    };
    let value = |activity: &Activity| activity.growth.unwrap_or(activity.total);
    let row = |position: usize, name: &str| {
        let values: Vec<Option<u64>> = section
            .nodes
            .iter()
            .map(|node| node.activity.get(position).map(value))
            .collect();
        let any = values.iter().flatten().any(|&value| value > 0);
        any.then(|| {
            Row::new(
                format!("  {name}"),
                values
                    .into_iter()
                    .map(|value| value.map_or_else(Cell::unknown, count))
                    .collect(),
            )
        })
    };
    first
        .activity
        .iter()
        .enumerate()
        .filter_map(|(position, activity)| row(position, &activity.name))
        .collect()
}

fn zones(out: &mut String, section: &PressureSection, layout: Layout) {
    let row = |node: &NodePressure, zone: &crate::model::stat::pressure::ZonePressure| {
        let sizes = [
            zone.managed_kib,
            zone.free_kib,
            zone.min_kib,
            zone.low_kib,
            zone.high_kib,
        ];
        let state = match zone.free_kib {
            free if free < zone.min_kib => "below min: allocations reclaim themselves",
            free if free < zone.low_kib => "below low: kswapd runs, other nodes are tried",
            _ => "",
        };
        Row {
            tail: state.to_owned(),
            ..Row::new(
                format!("node {} {}", node.node, zone.zone),
                sizes.iter().map(|&kib| mib(float(kib))).collect(),
            )
        }
    };
    let rows: Vec<Row> = section
        .nodes
        .iter()
        .flat_map(|node| node.zones.iter().map(move |zone| row(node, zone)))
        .collect();
    if rows.is_empty() {
        return;
    }
    let columns = ["managed", "free", "min", "low", "high"]
        .map(str::to_owned)
        .to_vec();
    out.push_str("\nZones and watermarks (in MBs)\n");
    out.push_str(
        &Grid {
            columns,
            rows,
            ..Grid::default()
        }
        .render(Layout {
            compact: true,
            rules: true,
            ..layout
        }),
    );
}

/// What happened anywhere, on one line; zeros are left out.
fn system(out: &mut String, activities: &[Activity]) {
    let value = |activity: &Activity| activity.growth.unwrap_or(activity.total);
    let busy = activities.iter().filter(|activity| value(activity) > 0);
    let busy: Vec<String> = busy
        .map(|activity| format!("{} {}", activity.name, value(activity)))
        .collect();
    let when = if activities.iter().any(|activity| activity.growth.is_some()) {
        "in the interval"
    } else {
        "since boot"
    };
    let all = if busy.is_empty() {
        "no reclaim, swap, compaction or migration".to_owned()
    } else {
        busy.join(", ")
    };
    let _ = writeln!(out, "\nsystem {when}: {all}");
}

fn mib(kib: f64) -> Cell {
    Cell {
        text: format!("{:.2}", kib / 1024.0),
        value: Some(kib),
    }
}

fn percent(share: f64) -> Cell {
    Cell {
        text: format!("{:.1}%", share * 100.0),
        value: Some(share),
    }
}

fn count(count: u64) -> Cell {
    Cell {
        text: count.to_string(),
        value: Some(float(count)),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "shown rounded, or only compared"
)]
fn float(value: u64) -> f64 {
    value as f64
}
