//! `cow`: a parent writes pages on one node; its forked child writes them on a different one, so
//! each is copied there.

use crate::workload::memory::Region;
use crate::workload::placement::{Placement, Prober};
use crate::workload::processes::Helper;
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::{GroundTruth, Member};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Node of the parent, where the pages begin
    #[arg(long)]
    node: u32,
    /// Base pages
    #[arg(long)]
    pages: usize,
    /// Node of the child [default: a different one; the same on a machine with one node]
    #[arg(long)]
    child_node: Option<u32>,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let node = scene.nodes.memory(args.node)?;
    let child_node = args
        .child_node
        .unwrap_or_else(|| scene.nodes.other_than(node).unwrap_or(node));
    scene.nodes.run_on(node)?;
    let region = Region::anonymous(args.pages)?;

    let mut truth = scene.begin("cow")?;
    region.write_all(0..args.pages);
    let helper = Helper::fork(|| copy(scene, &region, child_node))?;
    let pid = helper.pid()?;
    let copies: Vec<u64> = helper.finish()?;
    Scene::end(&mut truth)?;

    let found = scene.prober.region(&region, 0..args.pages)?;
    let copied = Placement {
        per_node: copies.clone(),
        absent: 0,
    };
    truth.touched(node, &found);
    truth.touched(child_node, &copied);
    truth.span("region", &region);
    truth.expect_all_on("the parent's pages", node, args.pages, &found);
    truth.expect_all_on("the child's copies", child_node, args.pages, &copied);
    truth.members.push(Member {
        pid,
        parent: truth.pid,
        tids: vec![pid],
        placement: copies,
    });
    truth.detail("node", node);
    truth.detail("child_node", child_node);
    truth.detail("copied_pages", copied.present());
    Ok(truth)
}

/// Does the child's part and returns where its copies lie.
fn copy(scene: &Scene, region: &Region, node: u32) -> Result<Vec<u64>, Trouble> {
    let mut prober = Prober::new(&scene.nodes);
    scene.nodes.run_on(node)?;
    for page in 0..region.pages() {
        region.write(page, 2);
    }
    Ok(prober.region(region, 0..region.pages())?.per_node)
}
