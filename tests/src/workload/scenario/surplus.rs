//! `surplus`: huge pages that the pool does not have: it grows by each when it is touched, inside
//! the fault, from the ordinary allocator.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::hugetlb::{default_size, placed};
use crate::workload::memory::{Region, page_size};
use crate::workload::scene::Scene;
use crate::workload::trouble::Trouble;
use crate::workload::truth::GroundTruth;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Huge pages
    #[arg(long)]
    count: usize,
    /// Map them shared: then they are pages of a file of the kernel's own
    #[arg(long)]
    shared: bool,
    /// Run on a CPU of this node
    #[arg(long)]
    cpu_node: u32,
}

pub fn run(args: &Args, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
    let huge = default_size()?;
    scene.nodes.run_on(args.cpu_node)?;
    let free = read(&folder(huge).join("free_hugepages"))?;
    if free > 0 {
        return Err(Trouble::Unsupported(format!(
            "the pool has {free} free huge pages, from which these would come"
        )));
    }
    let _growing = Growing::by(huge, args.count as u64)?;
    let region = Region::surplus(args.count * huge, args.shared)?;

    let mut truth = scene.begin("surplus")?;
    let each = huge / page_size();
    for i in 0..args.count {
        region.write(i * each, 1);
    }
    let found = placed(scene, &region, huge)?;
    Scene::end(&mut truth)?;

    truth.touched(args.cpu_node, &found);
    truth.span("region", &region);
    truth.expect_present(args.count * each, &found);
    Ok(truth)
}

fn folder(huge: usize) -> PathBuf {
    PathBuf::from(format!(
        "/sys/kernel/mm/hugepages/hugepages-{}kB",
        huge >> 10
    ))
}

fn read(path: &PathBuf) -> Result<u64> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.trim().parse()?)
}

/// Leave for the pool to grow, taken back on drop.
struct Growing {
    path: PathBuf,
    before: u64,
}

impl Growing {
    fn by(huge: usize, pages: u64) -> Result<Self> {
        let path = folder(huge).join("nr_overcommit_hugepages");
        let before = read(&path)?;
        fs::write(&path, (before + pages).to_string())
            .with_context(|| format!("cannot write {}; root may", path.display()))?;
        Ok(Self { path, before })
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        let _ = fs::write(&self.path, self.before.to_string());
    }
}
