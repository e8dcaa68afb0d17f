//! `preferred-many`: pages that prefer some of the nodes, the nearest of them first.

use super::interleave::parse_nodes;
use crate::workload::memory::Region;
use crate::workload::policy::{self, Mode};
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Base pages
    #[arg(long)]
    pages: usize,
    /// Nodes, as 0-1,3
    #[arg(long, value_parser = parse_nodes)]
    nodes: Vec<Vec<u32>>,
    /// Run on a CPU of this node [default: wherever it started]
    #[arg(long)]
    cpu_node: Option<u32>,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let list: Vec<u32> = args.nodes.concat();
    for &node in &list {
        scene.nodes.memory(node)?;
    }
    let task_node = args.cpu_node.map_or_else(|| scene.nodes.here(), Ok)?;
    scene.nodes.run_on(task_node)?;
    let region = Region::anonymous(args.pages)?;
    policy::set(&region, Mode::PreferredMany, &list)?;

    let mut truth = scene.begin("preferred-many")?;
    region.write_all(0..args.pages);
    Scene::end(&mut truth)?;

    let found = scene.prober.region(&region, 0..args.pages)?;
    truth.touched(task_node, &found);
    truth.span("region", &region);
    let preferred: u64 = scene
        .nodes
        .online()
        .iter()
        .zip(&found.per_node)
        .filter(|(node, _)| list.contains(node))
        .map(|(_, pages)| pages)
        .sum();
    truth.expect(preferred == args.pages as u64, || {
        format!(
            "{preferred} of {} pages lie on the preferred nodes {list:?}",
            args.pages
        )
    });
    truth.detail("task_node", task_node);
    Ok(truth)
}
