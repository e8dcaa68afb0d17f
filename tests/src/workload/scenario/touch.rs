//! `touch`: plain anonymous base pages under the default policy, written once each; each round
//! gives the pages back and takes them again.

use crate::workload::memory::{Region, page_size};
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Memory to touch, in MiB
    #[arg(long)]
    mib: usize,
    /// Run on a CPU of this node [default: wherever it started]
    #[arg(long)]
    cpu_node: Option<u32>,
    /// How often to touch it; the pages go back in between
    #[arg(long, default_value_t = 1)]
    rounds: u64,
    /// Touch one page in so many: each is then a run of its own where runs end by distance
    #[arg(
        long,
        value_name = "PAGES",
        default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    every: u16,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let task_node = args.cpu_node.map_or_else(|| scene.nodes.here(), Ok)?;
    scene.nodes.run_on(task_node)?;
    let region = Region::anonymous((args.mib << 20) / page_size())?;

    let pages = (0..region.pages()).step_by(usize::from(args.every));
    let touch = || pages.clone().for_each(|page| region.write(page, 1));

    let mut truth = scene.begin("touch")?;
    touch();
    for _ in 1..args.rounds {
        region.advise(libc::MADV_DONTNEED)?;
        touch();
    }
    Scene::end(&mut truth)?;

    let found = scene.prober.region(&region, 0..region.pages())?;
    truth.touched(task_node, &found);
    truth.span("region", &region);
    let touched = pages.len() as u64;
    truth.expect(found.present() == touched, || {
        format!("{} of {touched} pages are there", found.present())
    });
    truth.detail("task_node", task_node);
    truth.detail("rounds", args.rounds);
    truth.detail("touched_pages", args.rounds * touched);
    Ok(truth)
}
