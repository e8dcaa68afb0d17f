//! `read-file`: uses, through a mapping, a file that a different process brought into the page
//! cache.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::workload::memory::{Region, page_size};
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file
    #[arg(long)]
    path: PathBuf,
    /// Node whose CPU reads it
    #[arg(long)]
    cpu_node: u32,
    /// Seconds of use
    #[arg(long)]
    secs: u64,
    /// Map it as a program's text is
    #[arg(long)]
    text: bool,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    scene.nodes.run_on(args.cpu_node)?;
    let file =
        File::open(&args.path).with_context(|| format!("cannot open {}", args.path.display()))?;
    let bytes = file.metadata().context("cannot ask for its size")?.len();
    let pages = usize::try_from(bytes).context("too large")? / page_size();
    let region = if args.text {
        Region::executing(pages, file.as_fd())?
    } else {
        Region::reading(pages, file.as_fd())?
    };
    let mut truth = scene.begin("read-file")?;
    let end = Instant::now() + Duration::from_secs(args.secs);
    let mut sum = 0u64;
    while Instant::now() < end {
        for page in 0..pages {
            sum = sum.wrapping_add(u64::from(region.read(page)));
        }
    }
    Scene::end(&mut truth)?;
    let found = scene.prober.region(&region, 0..pages)?;
    truth.span("file", &region);
    truth.detail("pages_lie", found.per_node);
    truth.detail("sum", sum);
    Ok(truth)
}
