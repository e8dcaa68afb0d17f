//! `hold`: keeps pages of a node until stdin closes, and prints its truth as soon as they are in
//! place.

use std::io::Read;

use crate::workload::memory::Region;
use crate::workload::policy::{self, Mode};
use crate::workload::print;
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Base pages
    #[arg(long)]
    pages: usize,
    /// Node to bind them to [default: the default policy]
    #[arg(long)]
    node: Option<u32>,
    /// Run on a CPU of this node [default: wherever it started]
    #[arg(long)]
    cpu_node: Option<u32>,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let task_node = args.cpu_node.map_or_else(|| scene.nodes.here(), Ok)?;
    scene.nodes.run_on(task_node)?;
    let region = Region::anonymous(args.pages)?;
    if let Some(node) = args.node {
        policy::set(&region, Mode::Bind, &[scene.nodes.memory(node)?])?;
    }

    let mut truth = scene.begin("hold")?;
    region.write_all(0..args.pages);
    Scene::end(&mut truth)?;

    let found = scene.prober.region(&region, 0..args.pages)?;
    truth.touched(task_node, &found);
    truth.span("region", &region);
    truth.expect_present(args.pages, &found);
    truth.detail("task_node", task_node);
    print(&truth)?;
    truth.is_printed = true;
    std::io::stdin().lock().read_to_end(&mut Vec::new())?;
    Ok(truth)
}
