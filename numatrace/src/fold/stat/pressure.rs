//! Zones, free blocks and event counts to the memory pressure on each node, and findings in words.

use super::{ratio, room, short, unexplained};
use crate::capture::sys::buddyinfo::FreeBlocks;
use crate::capture::sys::hugepages::Pool;
use crate::capture::sys::meminfo::{Row, kib};
use crate::capture::sys::vmstat::Vmstat;
use crate::capture::sys::zoneinfo::Zone;
use crate::ids::NodeId;
use crate::model::stat::counters::CounterSection;
use crate::model::stat::pressure::{
    Activity, HugePages, NodePressure, PressureSection, ZonePressure,
};

/// Counters of `nodeN/vmstat` that show memory pressure; older kernels have fewer of them.
const NODE_ACTIVITY: &[&str] = &[
    "pgscan_kswapd",
    "pgscan_direct",
    "pgsteal_kswapd",
    "pgsteal_direct",
    "nr_vmscan_write",
    "nr_vmscan_immediate_reclaim",
    "workingset_refault_anon",
    "workingset_refault_file",
    "pgpromote_success",
    "pgdemote_kswapd",
    "pgdemote_direct",
];

/// Counters of `/proc/vmstat` that show memory pressure.
const SYSTEM_ACTIVITY: &[&str] = &[
    "pswpin",
    "pswpout",
    "pgscan_kswapd",
    "pgscan_direct",
    "pgsteal_kswapd",
    "pgsteal_direct",
    "allocstall_normal",
    "allocstall_movable",
    "zone_reclaim_success",
    "zone_reclaim_failed",
    "compact_stall",
    "compact_fail",
    "thp_fault_fallback",
    "numa_pages_migrated",
    "pgmigrate_success",
    "pgmigrate_fail",
];

/// Share of the memory in use from which on unreclaimable slab is reported, as tuning guides
/// recommend.
const SLAB_SHARE: f64 = 0.30;

/// The reading of one node; a part that could not be read is `None`.
#[derive(Debug, Default)]
pub struct NodeReading {
    /// `nodeN/meminfo`.
    pub meminfo: Option<Vec<Row>>,
    /// `nodeN/vmstat`.
    pub vmstat: Option<Vmstat>,
    /// The node's huge page pools.
    pub pools: Option<Vec<Pool>>,
}

/// All files of one reading.
#[derive(Debug, Default)]
pub struct Reading {
    /// The nodes, in the order of the section.
    pub nodes: Vec<NodeReading>,
    /// `/proc/zoneinfo`.
    pub zones: Vec<Zone>,
    /// `/proc/buddyinfo`.
    pub blocks: Vec<FreeBlocks>,
    /// `/proc/vmstat`.
    pub vmstat: Option<Vmstat>,
}

/// Returns the section of a reading, with growth since the one before. `page_kib` is the KiB of a
/// base page.
#[must_use]
pub fn section(
    now: &Reading,
    before: Option<&Reading>,
    nodes: &[NodeId],
    page_kib: u64,
) -> PressureSection {
    let node = |(position, (&id, reading)): (usize, (&NodeId, &NodeReading))| {
        let before = before.and_then(|before| before.nodes.get(position)?.vmstat.as_ref());
        node(id, reading, before, now, page_kib)
    };
    PressureSection {
        nodes: nodes.iter().zip(&now.nodes).enumerate().map(node).collect(),
        system: activity(
            SYSTEM_ACTIVITY,
            now.vmstat.as_ref(),
            before.and_then(|before| before.vmstat.as_ref()),
        ),
        settings: Vec::new(),
        findings: Vec::new(),
    }
}

fn node(
    id: NodeId,
    reading: &NodeReading,
    before: Option<&Vmstat>,
    all: &Reading,
    page_kib: u64,
) -> NodePressure {
    let row = |name: &str| reading.meminfo.as_deref().and_then(|rows| kib(rows, name));
    let sum = |names: [&str; 3]| names.into_iter().map(row).sum::<Option<u64>>();
    let (total_kib, free_kib) = (row("MemTotal"), row("MemFree"));
    let slab_unreclaimable_kib = row("SUnreclaim");
    let used = total_kib
        .zip(free_kib)
        .map(|(total, free)| total.saturating_sub(free));
    let own: Vec<&Zone> = all.zones.iter().filter(|zone| zone.node == id).collect();
    let zones: Vec<ZonePressure> = own.iter().map(|zone| in_kib(zone, page_kib)).collect();
    let rows = reading.meminfo.as_deref();
    NodePressure {
        node: id,
        total_kib,
        free_kib,
        reclaimable_kib: sum(["Active(file)", "Inactive(file)", "SReclaimable"]),
        swappable_kib: sum(["Active(anon)", "Inactive(anon)", "Unevictable"]),
        slab_reclaimable_kib: row("SReclaimable"),
        slab_unreclaimable_kib,
        slab_unreclaimable_share: slab_unreclaimable_kib
            .zip(used)
            .filter(|&(_, used)| used > 0)
            .map(|(slab, used)| ratio(slab, used)),
        unexplained_kib: unexplained_kib(id, reading, &all.zones, page_kib),
        above_low_kib: room::above_low(&own, page_kib),
        room: (!own.is_empty()).then(|| room::before_reclaim(&own, page_kib)),
        available_kib: rows.and_then(|rows| room::available(&own, rows, page_kib)),
        huge_pages: reading.pools.iter().flatten().map(huge_pages).collect(),
        zones,
        unusable: unusable(all.blocks.iter().filter(|blocks| blocks.node == id)),
        activity: activity(NODE_ACTIVITY, reading.vmstat.as_ref(), before),
    }
}

/// Returns a pool as the model has it.
#[must_use]
pub fn huge_pages(pool: &Pool) -> HugePages {
    HugePages {
        page_kib: pool.page_kb,
        total: pool.total,
        free: pool.free,
    }
}

fn unexplained_kib(
    id: NodeId,
    reading: &NodeReading,
    zones: &[Zone],
    page_kib: u64,
) -> Option<u64> {
    // Without zones, free pages that CPUs keep ready would pass for unexplained ones.
    if zones.is_empty() {
        return None;
    }
    let ready_kib = unexplained::ready_kib(zones, id, page_kib);
    unexplained::of(
        reading.meminfo.as_deref()?,
        reading.pools.as_deref()?,
        ready_kib,
    )
}

fn in_kib(zone: &Zone, page_kib: u64) -> ZonePressure {
    let kib = |pages: u64| pages.saturating_mul(page_kib);
    ZonePressure {
        zone: zone.name.clone(),
        managed_kib: kib(zone.managed),
        free_kib: kib(zone.free),
        min_kib: kib(zone.min),
        low_kib: kib(zone.low),
        high_kib: kib(zone.high),
    }
}

/// Returns, for each order, the share of the free pages that lie in smaller blocks.
fn unusable<'a>(zones: impl Iterator<Item = &'a FreeBlocks>) -> Vec<f64> {
    let mut blocks: Vec<u64> = Vec::new();
    for zone in zones {
        blocks.resize(blocks.len().max(zone.blocks.len()), 0);
        blocks
            .iter_mut()
            .zip(&zone.blocks)
            .for_each(|(sum, &count)| *sum = sum.saturating_add(count));
    }
    let pages: Vec<u64> = blocks
        .iter()
        .enumerate()
        .map(|(order, &count)| count.saturating_mul(1 << order))
        .collect();
    let free = pages
        .iter()
        .fold(0u64, |sum, &pages| sum.saturating_add(pages));
    if free == 0 {
        return Vec::new();
    }
    let below = |order: usize| {
        pages
            .iter()
            .take(order)
            .fold(0u64, |sum, &pages| sum.saturating_add(pages))
    };
    (0..pages.len())
        .map(|order| ratio(below(order), free))
        .collect()
}

fn activity(names: &[&str], now: Option<&Vmstat>, before: Option<&Vmstat>) -> Vec<Activity> {
    let one = |name: &&str| {
        let total = *now?.get(*name)?;
        let growth = before.and_then(|before| total.checked_sub(*before.get(*name)?));
        Some(Activity {
            name: (*name).to_owned(),
            total,
            growth,
        })
    };
    names.iter().filter_map(one).collect()
}

/// Returns findings in words. Without counters and their growth, only the present state is judged.
#[must_use]
pub fn findings(section: &PressureSection, counters: Option<&CounterSection>) -> Vec<String> {
    let mut findings = short::sentences(section, counters);
    for node in &section.nodes {
        if let Some(share) = node
            .slab_unreclaimable_share
            .filter(|&share| share >= SLAB_SHARE)
        {
            let percent = share * 100.0;
            findings.push(format!(
                "Unreclaimable slab is {percent:.0} % of the memory in use on node {}: it cannot \
                 be moved or freed by reclaim.",
                node.node
            ));
        }
    }
    findings.extend(unexplained::finding(&section.nodes));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::sys::meminfo::Unit;
    use crate::capture::sys::zoneinfo::Reserved;
    use crate::model::stat::counters::{CounterInterval, CounterView, Counters};

    fn rows(free: u64) -> Vec<Row> {
        let row = |name: &str, value| Row {
            name: name.to_owned(),
            value,
            unit: Unit::KiB,
        };
        vec![
            row("MemTotal", 1_024_000),
            row("MemFree", free),
            row("SReclaimable", 100),
            row("SUnreclaim", 400_000),
        ]
    }

    fn reading(free: [u64; 2], swapped: u64) -> Reading {
        let zone = |node: u16, free: u64| Zone {
            node: NodeId(node),
            name: "Normal".to_owned(),
            managed: 256_000,
            free: free / 4,
            min: 1000,
            low: 1250,
            high: 1500,
            ready: 0,
            reserved: Reserved {
                user: Some(0),
                kernel: Some(0),
                dma32: None,
            },
        };
        Reading {
            nodes: free
                .iter()
                .map(|&free| NodeReading {
                    meminfo: Some(rows(free)),
                    vmstat: Some(Vmstat::new()),
                    pools: Some(Vec::new()),
                })
                .collect(),
            zones: vec![zone(0, free[0]), zone(4, free[1])],
            blocks: vec![FreeBlocks {
                node: NodeId(0),
                zone: "Normal".to_owned(),
                blocks: vec![2, 1, 1],
            }],
            vmstat: Some(Vmstat::from([("pswpout".to_owned(), swapped)])),
        }
    }

    #[test]
    fn a_full_node_beside_a_free_one_shows_itself() {
        let nodes = [NodeId(0), NodeId(4)];
        let section = section(
            &reading([2000, 900_000], 30),
            Some(&reading([2000, 900_000], 10)),
            &nodes,
            4,
        );
        assert_eq!(section.nodes[0].above_low_kib, Some(2000 - 5000));
        assert_eq!(section.nodes[0].unexplained_kib, None, "few rows were read");
        assert_eq!(section.growth("pswpout"), Some(20));
        assert_eq!(section.nodes[0].unusable, [0.0, 0.25, 0.5]);
        let view = |numa_foreign| {
            Some(CounterView::from(Counters {
                numa_foreign,
                ..Counters::default()
            }))
        };
        let interval = CounterInterval {
            nodes: vec![view(77), view(0)],
            total: CounterView::default(),
            imbalance: None,
        };
        let counters = CounterSection {
            counting: None,
            nodes: vec![],
            total: CounterView::default(),
            interval: Some(interval),
        };
        let said = findings(&section, Some(&counters));
        assert!(
            said[0].contains("77 allocations wanted node 0")
                && said[0].contains("node 4 has 878 MB free"),
            "{said:?}"
        );
        assert!(said[1].contains("20 pages were swapped out"), "{said:?}");
        assert!(
            said.iter()
                .any(|said| said.contains("slab is 39 %") && said.contains("node 0")),
            "{said:?}"
        );
    }

    /// Two nodes of a machine that swapped itself to death, in base pages.
    #[test]
    fn nodes_that_are_all_below_min_are_not_called_well() {
        let zone = |node: u16, free: u64| Zone {
            node: NodeId(node),
            name: "Normal".to_owned(),
            managed: 15_987_358,
            free,
            min: 16_410,
            low: 32_396,
            high: 48_382,
            ..reading([0, 0], 0).zones[0].clone()
        };
        let mut full = reading([24_148, 16_832], 0);
        full.zones = vec![zone(0, 6_037), zone(4, 4_208)];
        for node in &mut full.nodes {
            let rows = node.meminfo.as_mut().unwrap();
            rows.iter_mut()
                .filter(|row| row.name == "MemTotal")
                .for_each(|row| row.value = 63_949_432);
        }
        let section = section(&full, None, &[NodeId(0), NodeId(4)], 4);
        let short: Vec<_> = section
            .nodes
            .iter()
            .map(|node| node.above_low_kib)
            .collect();
        assert_eq!(short, [Some(-105_436), Some(-112_752)]);
        assert_eq!(
            findings(&section, None),
            [
                "All nodes (0,4) are below their min watermarks: allocations reclaim memory \
                 themselves before they get any. Node 0 has 23 MB free, node 4 has 16 MB free."
            ]
        );
        full.zones[1].free = 33_000;
        let section = super::section(&full, None, &[NodeId(0), NodeId(4)], 4);
        let said = findings(&section, None);
        assert_eq!(
            said[0],
            "Node 0 is below its low watermark, 23 MB free, and no other node has much: new \
             memory waits for reclaim."
        );
    }

    #[test]
    fn a_machine_at_ease_says_nothing_and_what_is_unread_is_unknown() {
        let calm = section(
            &reading([900_000, 900_000], 10),
            None,
            &[NodeId(0), NodeId(4)],
            4,
        );
        let said = findings(&calm, None);
        assert!(said.iter().all(|said| said.contains("slab")), "{said:?}");
        let blind = Reading {
            nodes: vec![NodeReading::default()],
            ..Reading::default()
        };
        let section = section(&blind, None, &[NodeId(0)], 4);
        assert_eq!(
            (section.nodes[0].free_kib, section.nodes[0].above_low_kib),
            (None, None)
        );
        assert_eq!(findings(&section, None), Vec::<String>::new());
    }
}
