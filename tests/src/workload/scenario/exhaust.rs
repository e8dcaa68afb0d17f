//! `exhaust`: fills a node until the kernel falls back to a different one, then takes more pages
//! under the default policy: `numa_miss` and `numa_foreign`.

use std::io::Read;

use anyhow::Context;

use crate::counters;
use crate::workload::memory::{Region, drop_caches, page_size};
use crate::workload::print;
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

/// Pages between two checks of where they went: 1 MiB, small against the smallest node.
const STEP: usize = 256;

/// Checks in a row that must find every page elsewhere before the node counts as full: kswapd wakes
/// at the first of them and frees memory, which must be used up too.
const SETTLED: usize = 8;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Node to fill
    #[arg(long)]
    node: u32,
    /// Base pages to take once it is full
    #[arg(long)]
    pages: usize,
    /// Print the truth as soon as they are taken, and keep the node full until stdin closes
    #[arg(long)]
    hold: bool,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let node = scene.nodes.memory(args.node)?;
    scene.nodes.other_than(node)?;
    scene.nodes.run_on(node)?;
    let at = scene
        .nodes
        .online()
        .iter()
        .position(|&n| n == node)
        .context("node went offline")?;
    drop_caches();
    let limit = usize::try_from(free_pages(&scene.nodes)?)?.saturating_sub(args.pages + RESERVE);
    let ballast = Region::anonymous(limit)?;
    let extra = Region::anonymous(args.pages)?;

    let mut truth = scene.begin("exhaust")?;
    let mut filled = 0;
    let mut elsewhere_in_a_row = 0;
    // With bound memory the kernel would kill in the end; under the default policy it falls back,
    // and the checks see that.
    while filled + STEP <= limit && elsewhere_in_a_row < SETTLED {
        ballast.write_all(filled..filled + STEP);
        let found = scene.prober.region(&ballast, filled..filled + STEP)?;
        filled += STEP;
        elsewhere_in_a_row = if found.per_node[at] == 0 {
            elsewhere_in_a_row + 1
        } else {
            0
        };
        truth.touched(node, &found);
    }
    if elsewhere_in_a_row < SETTLED {
        return Err(Trouble::Unsupported(format!(
            "node {node} did not fill up within {limit} pages; \
             the other nodes have too little memory"
        )));
    }
    extra.write_all(0..args.pages);
    Scene::end(&mut truth)?;

    let found = scene.prober.region(&extra, 0..args.pages)?;
    let ballast_placement = truth.placement.clone();
    truth.touched(node, &found);
    truth.span("ballast", &ballast);
    truth.span("region", &extra);
    let elsewhere: u64 = found.present() - found.per_node[at];
    // kswapd may free a few pages of the full node meanwhile.
    truth.expect(elsewhere * 10 >= args.pages as u64 * 9, || {
        format!(
            "{elsewhere} of {} pages fell back from node {node}",
            args.pages
        )
    });
    let missed = truth.pages - truth.placement[at];
    truth.detail("task_node", node);
    truth.detail("ballast_placement", ballast_placement);
    truth.detail("region_placement", found.per_node);
    truth.detail("missed_pages", missed);
    if args.hold {
        print(&truth)?;
        truth.is_printed = true;
        std::io::stdin().lock().read_to_end(&mut Vec::new())?;
    }
    Ok(truth)
}

/// Pages that stay free on the machine, so that nothing is killed for memory: 32 MiB.
const RESERVE: usize = (32 << 20) / 4096;

/// Returns the free base pages of all nodes, from their `vmstat`.
fn free_pages(nodes: &crate::workload::nodes::Nodes) -> anyhow::Result<u64> {
    let mut free = 0;
    for node in nodes.with_memory() {
        let path = format!("/sys/devices/system/node/node{node}/vmstat");
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        free += counters::parse(&text)
            .get("nr_free_pages")
            .copied()
            .with_context(|| format!("no nr_free_pages in {path}"))?;
    }
    anyhow::ensure!(
        page_size() == 4096,
        "exhaust assumes base pages of 4096 bytes"
    );
    Ok(free)
}
