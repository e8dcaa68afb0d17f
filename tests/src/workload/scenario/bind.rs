//! `bind`: pages bound to one node, or to two of which the first is nearest, written from a CPU of
//! a different one: remote by policy, never a miss.

use crate::workload::memory::Region;
use crate::workload::policy::{self, Mode};
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Node to bind to
    #[arg(long)]
    node: u32,
    /// A second node to bind to, no nearer than the first
    #[arg(long)]
    also: Option<u32>,
    /// Base pages
    #[arg(long)]
    pages: usize,
    /// Run on a CPU of this node [default: wherever it started]
    #[arg(long)]
    cpu_node: Option<u32>,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let node = scene.nodes.memory(args.node)?;
    // Staying on one node is part of the ground truth, so the task is pinned even without
    // --cpu-node.
    let task_node = args.cpu_node.map_or_else(|| scene.nodes.here(), Ok)?;
    scene.nodes.run_on(task_node)?;
    let region = Region::anonymous(args.pages)?;
    let nodes: Vec<u32> = std::iter::once(node).chain(args.also).collect();
    policy::set(&region, Mode::Bind, &nodes)?;

    let mut truth = scene.begin("bind")?;
    region.write_all(0..args.pages);
    Scene::end(&mut truth)?;

    let found = scene.prober.region(&region, 0..args.pages)?;
    truth.touched(task_node, &found);
    truth.span("region", &region);
    truth.expect_all_on("bound region", node, args.pages, &found);
    truth.detail("task_node", task_node);
    truth.detail("page_node", node);
    Ok(truth)
}
