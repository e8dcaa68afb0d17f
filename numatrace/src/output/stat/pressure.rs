//! The screen of `stat --pressure`: it shows a node that reclaims or swaps while others have free
//! memory.

use std::fmt::Write as _;

use super::grid::{Cell, Grid, Layout, Row};
use super::{StatText, node_columns};
use crate::model::quantity::float;
use crate::model::stat::Sample;
use crate::model::stat::counters::CounterView;
use crate::model::stat::pressure::{Activity, NodePressure, PressureSection, ZonePressure};
use crate::output::format::{percent, size};

/// Orders whose fragmentation is shown: the largest for which the kernel still tries hard, and a
/// huge page of x86.
const ORDERS: [(usize, &str); 2] = [
    (3, "fragmentation for 32 kB"),
    (9, "fragmentation for 2 MB"),
];

/// Decimals of a size in MB.
const DECIMALS: usize = 2;

/// Returns the whole screen.
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
                .map_or_else(Cell::unknown, |&share| part(share))
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
    let is_below = |node: &NodePressure| {
        let mut zones = node.zones.iter();
        node.is_short() || zones.any(|zone| zone.free_kib < zone.low_kib)
    };
    let any_below = section.nodes.iter().any(is_below);
    if section.findings.is_empty() && any_below {
        out.push_str("\nNodes have room, but not in all zones: see the table of zones.\n");
    } else if section.findings.is_empty() {
        out.push_str("\nNo node is short of memory.\n");
    }
    for finding in &section.findings {
        let _ = writeln!(out, "\n{finding}");
    }
    out
}

fn sizes(section: &PressureSection) -> Vec<Row> {
    let sizes = |label: &str, kib: fn(&NodePressure) -> Option<u64>| {
        let values: Vec<Option<u64>> = section.nodes.iter().map(kib).collect();
        let total = values.iter().copied().sum::<Option<u64>>();
        Row::new(
            label,
            values
                .into_iter()
                .chain([total])
                .map(|kib| kib.map_or_else(Cell::unknown, mib))
                .collect(),
        )
    };
    let share = section.nodes.iter().map(|node| {
        node.slab_unreclaimable_share
            .map_or_else(Cell::unknown, part)
    });
    let mut rows = vec![
        sizes("memory", |node| node.total_kib),
        sizes("free", |node| node.free_kib),
        Row::new(
            "free before reclaim",
            section.nodes.iter().map(above_low).collect(),
        ),
        sizes("  for the kernel", |node| node.room?.kernel_kib),
        sizes("  below 4 GiB", |node| node.room?.dma32_kib),
        sizes("available to programs", |node| node.available_kib),
        sizes("file and reclaimable slab", |node| node.reclaimable_kib),
        sizes("anonymous, shared, locked", |node| node.swappable_kib),
        sizes("unreclaimable slab", |node| node.slab_unreclaimable_kib),
        Row::new("  share of used memory", share.collect()),
        sizes("in no row of meminfo", |node| node.unexplained_kib),
    ];
    rows.extend(huge_pages(section));
    rows
}

/// Returns a row for each size of huge pages that some node has in a pool.
fn huge_pages(section: &PressureSection) -> Vec<Row> {
    let pools = || section.nodes.iter().flat_map(|node| &node.huge_pages);
    let mut sizes: Vec<u64> = pools()
        .filter(|pool| pool.total > 0)
        .map(|pool| pool.page_kib)
        .collect();
    sizes.sort_unstable();
    sizes.dedup();
    let row = |size: u64| {
        let free = |node: &NodePressure| {
            let pool = node.huge_pages.iter().find(|pool| pool.page_kib == size);
            pool.map_or_else(Cell::unknown, |pool| Cell::count(pool.free))
        };
        let cells = section.nodes.iter().map(free).collect();
        Row::new(format!("free {size} kB huge pages"), cells)
    };
    sizes.into_iter().map(row).collect()
}

fn above_low(node: &NodePressure) -> Cell {
    let above = |kib| Cell::mib(size::float(kib), DECIMALS);
    node.above_low_kib.map_or_else(Cell::unknown, above)
}

/// Returns rows of counters: their growth in an interval, or their values since boot.
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
                .map(|view| view.map_or_else(Cell::unknown, |view| Cell::count(value(view))))
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

/// Returns the rows with a number other than 0 for some node.
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
                    .map(|value| value.map_or_else(Cell::unknown, Cell::count))
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
    let row = |node: &NodePressure, zone: &ZonePressure| {
        let sizes = [
            zone.managed_kib,
            zone.free_kib,
            zone.min_kib,
            zone.low_kib,
            zone.high_kib,
        ];
        let state = match zone.free_kib {
            free if free < zone.min_kib => "below min: allocations reclaim directly",
            free if free < zone.low_kib => {
                "below low: kswapd reclaims, allocations try other nodes"
            }
            _ => "",
        };
        Row {
            tail: state.to_owned(),
            ..Row::new(
                format!("node {} {}", node.node, zone.zone),
                sizes.iter().map(|&kib| mib(kib)).collect(),
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

/// Writes the activity of the whole system in one line, without zeros.
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

fn mib(kib: u64) -> Cell {
    Cell::mib(float(kib), DECIMALS)
}

fn part(share: f64) -> Cell {
    Cell {
        text: percent::short(share),
        value: Some(share),
    }
}
